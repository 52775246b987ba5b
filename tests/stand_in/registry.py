# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one vLLM server serves: base models and adapters, in memory only, as OpenAIServingModels keeps them."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from .artifacts import AdapterRejected
from .engine import Adapter, Engine
from .profiles import Profile
from .settings import Settings


class Refused(Exception):
    """The front-end refuses a request. `kind` chooses the answer in refusals.py."""

    def __init__(self, kind: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.param = param


class Registry:
    """Base models are (name, root) pairs: the first name is the parent of every adapter."""

    def __init__(self, profile: Profile, engine: Engine, settings: Settings) -> None:
        self.profile = profile
        self.engine = engine
        self.base_models = settings.bases
        self.allowed_prefixes = settings.allowed_prefixes
        self.adapters: list[Adapter] = []
        self._next_id = 0
        self._lock = threading.Lock()
        self._name_locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def is_base(self, name: str) -> bool:
        return any(name == base for base, _root in self.base_models)

    def find(self, name: str) -> Adapter | None:
        return next((adapter for adapter in self.adapters if adapter.name == name), None)

    def load(self, name: str, path: str, inplace: bool = False, parent: str | None = None) -> None:
        """Load or replace an adapter. Raises Refused, and what Engine.add raises.

        parent: another served name than the first, as `base_model_name` of --lora-modules gives it.
        """
        inplace = inplace and self.profile.load_inplace
        with self._name_locks[name] if self.profile.locks_names else contextlib.nullcontext():
            self._check_load(name, path, inplace)
            path = self._allowed(path)
            known = self.find(name)
            parent = parent if parent and self.is_base(parent) else self.base_models[0][0]
            adapter = Adapter(name, path, known.int_id if known else self._fresh_id(), parent, inplace)
            if self.profile.cannot_load:
                raise AdapterRejected(self.profile.cannot_load)
            if self.profile.load_reaches_engine:
                self.engine.add(adapter)
            adapter = replace(adapter, inplace=inplace and self.profile.inplace_sticks)
            with self._lock:
                if known in self.adapters:
                    self.adapters[self.adapters.index(known)] = adapter
                else:
                    self.adapters.append(adapter)

    def _check_load(self, name: str, path: str, inplace: bool) -> None:
        if not name or not path:
            raise Refused("invalid", "Both 'lora_name' and 'lora_path' must be provided.")
        if self.profile.refuses_base_name and self.is_base(name):
            subject = f"LoRA adapter name `{name}`" if self.profile.canonical_roots else f"The lora adapter '{name}'"
            raise Refused("invalid", f"{subject} conflicts with a served base model.", "lora_name")
        if self.find(name) and not inplace:
            raise Refused("invalid", self.profile.already_loaded.format(name=name), "lora_name")

    def _allowed(self, path: str) -> str:
        """The Rust front-end takes local paths only below prefixes that its operator has named."""
        if not self.profile.canonical_roots or not (path.startswith(("/", "~", ".")) or os.path.exists(path)):
            return path
        variable = "VLLM_RUNTIME_LORA_ALLOWED_PATH_PREFIXES"
        if self.allowed_prefixes is None:
            raise Refused("invalid", f"Local LoRA adapter paths require {variable} to be configured.", "lora_path")
        if not os.path.isabs(path):
            text = f"Local LoRA adapter paths must be absolute and under one of the prefixes configured by {variable}."
            raise Refused("invalid", text, "lora_path")
        # Outside comes first: it says so of paths that do not exist as well.
        real = Path(path).resolve()
        if not any(real.is_relative_to(Path(prefix).resolve()) for prefix in self.allowed_prefixes):
            text = "Local LoRA adapter path is outside the configured allowed prefixes."
            raise Refused("invalid", text, "lora_path")
        if not real.exists():
            raise Refused("invalid", "Local LoRA adapter path must exist and be accessible.", "lora_path")
        return str(real)

    def unload(self, name: str) -> None:
        """Forget an adapter. Raises Refused."""
        with self._name_locks[name] if self.profile.locks_names else contextlib.nullcontext():
            if not name:
                raise Refused("invalid", self.profile.unload_empty, "lora_name")
            adapter = self.find(name)
            if adapter is None:
                raise Refused("unknown adapter", f"The lora adapter '{name}' cannot be found.", name)
            if self.profile.unload_reaches_engine and not self.engine.remove(adapter):
                text = f"engine rejected removal of LoRA adapter `{name}`"
                raise Refused("engine", text)
            with self._lock:
                self.adapters = [other for other in self.adapters if other.name != name]

    def _fresh_id(self) -> int:
        with self._lock:
            self._next_id += 1
            return self._next_id
