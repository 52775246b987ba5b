# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of a bundle and of its application, beside copying and hashing the same bytes once."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.stand_in import StandIn, write_adapter
from tests.support.outpost import Headquarters, Outpost
from tools.bench.table import seconds, table

LABELS = {
    "plain": "cp, sync and sha256sum",
    "bundle": "playbook bundle",
    "apply": "playbook apply_bundle",
    "bundle_tiny": "playbook bundle, tiny adapters",
    "apply_tiny": "playbook apply_bundle, tiny adapters",
}
_PIECE = 1 << 20  # bytes


def bench(adapters: int, size: int, rounds: int, tiny: bool = True) -> dict[str, Any]:
    """Take all figures. size: bytes of each adapter; tiny: whether to take those of tiny adapters as well."""
    taken: dict[str, list[float]] = {name: [] for name in LABELS}
    for _round in range(rounds):
        for suffix, its in (("", size), ("_tiny", 0))[: 2 if tiny else 1]:
            with tempfile.TemporaryDirectory(prefix="bench-bundle-") as directory:
                for name, took in _round_of(Path(directory), adapters, its).items():
                    if f"{name}{suffix}" in taken:
                        taken[f"{name}{suffix}"].append(took)
    return {"adapters": adapters, "size": size, "seconds": taken}


def _round_of(top: Path, adapters: int, size: int) -> dict[str, float]:
    sources = [_source(top / "sources" / f"adapter-{number:02}", number, size) for number in range(adapters)]
    headquarters = Headquarters(top / "hq", [])
    site = Outpost("edge1", top / "edge1", headquarters, [])
    with StandIn(max_cpu_loras=adapters) as server:
        declared = [{"name": source.name, "src": str(source)} for source in sources]
        headquarters.hosts["edge1"] = {
            "vllm_base_url": server.url,
            "lora_store": str(site.store),
            "lora_adapters": declared,
        }
        os.sync()
        plain = _timed(lambda: _copy_and_hash(top / "sources", top / "plain"))
        shutil.rmtree(top / "plain")
        bundle = _timed(lambda: headquarters.bundle(top / "disk"))
        apply = _timed(lambda: site.apply(site.bundle_on(top / "disk")))
    return {"plain": plain, "bundle": bundle, "apply": apply}


def _source(directory: Path, seed: int, size: int) -> Path:
    """An adapter of this many bytes. Most of them are in its tokenizer, which belongs to the artifact."""
    write_adapter(directory, seed=seed)
    if size:
        with (directory / "tokenizer.json").open("wb") as file:
            for _piece in range(size // _PIECE):
                file.write(os.urandom(_PIECE))
    return directory


def _copy_and_hash(source: Path, copy: Path) -> None:
    subprocess.run(["cp", "-r", str(source), str(copy)], check=True)
    subprocess.run(["sync", "-f", str(copy)], check=True)
    files = [str(file) for file in source.rglob("*") if file.is_file()]
    subprocess.run(["sha256sum", *files], check=True, stdout=subprocess.DEVNULL)


def _timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def ratio(figures: dict[str, Any], name: str) -> float:
    """The time that the bytes cost, as a multiple of that of copying and hashing them: without the start of Ansible."""
    taken = figures["seconds"]
    pairs = zip(taken[name], taken[f"{name}_tiny"], taken["plain"], strict=True)
    return statistics.median((big - tiny) / plain for big, tiny, plain in pairs)


def show(figures: dict[str, Any]) -> str:
    taken = {name: statistics.median(values) for name, values in figures["seconds"].items() if values}
    rows = [[LABELS[name], seconds(time), f"{time / taken['plain']:.2f}"] for name, time in taken.items()]
    title = f"{figures['adapters']} adapters of {figures['size'] / 1e6:.0f} MB (medians of {len(figures['seconds']['plain'])})"
    shown = f"{title}\n{table(['', 'time', 'ratio'], rows)}"
    if "apply_tiny" not in taken:
        return shown
    told = ", ".join(f"{name} {ratio(figures, name):.2f}" for name in ("bundle", "apply"))
    return f"{shown}\n  Without what tiny adapters cost: {told} times."
