# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of vLLM's engine that decides which weights a request is served with, and what kills it.

Source: LRUCacheWorkerLoRAManager of vLLM 0.7 to 0.33 (vllm/lora/worker_manager.py).
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from .adapters import HIDDEN
from .artifacts import AdapterNotFound, AdapterRejected, Weights, read_adapter
from .profiles import Profile
from .settings import Settings

# Prompts that share these many characters share a block of the prefix cache.
BLOCK = 16


class EngineDead(Exception):
    """The engine process has died; the text is vLLM's."""

    def __init__(self) -> None:
        super().__init__("EngineCore encountered an issue. See stack trace (above) for the root cause.")


@dataclass(frozen=True)
class Adapter:
    """One loaded adapter. While `inplace` is set, vLLM reads the files again at each step of a request: it sticks from
    0.15 to 0.32, and is taken back after the load from 0.33 on."""

    name: str
    path: str
    int_id: int
    parent: str
    inplace: bool = False


class Engine:
    """Holds at most `settings.max_cpu_loras` adapters and reads evicted ones again from their paths.

    load_delay: seconds that each load takes.
    """

    def __init__(self, profile: Profile, settings: Settings) -> None:
        self.profile = profile
        self.settings = settings
        self.load_delay = 0.0
        self.dead = False
        self._lock = threading.RLock()  # vLLM's engine loop does one thing at a time
        self._cache: OrderedDict[int, Weights] = OrderedDict()
        self._prefixes: dict[tuple[object, str, str | None], Weights] = {}

    def add(self, adapter: Adapter) -> None:
        """Load an adapter. Raises AdapterNotFound, AdapterRejected (the old weights stay) or EngineDead."""
        time.sleep(self.load_delay)
        with self._lock:
            if self.dead:
                raise EngineDead
            if not self.settings.enable_lora:
                raise AdapterRejected(
                    "LoRA is not enabled."
                    if self.profile.engine == "v0"
                    else "LoRA is not enabled. Use --enable-lora to enable LoRA."
                )
            self._ensure(adapter)

    def remove(self, adapter: Adapter) -> bool:
        """Drop an adapter from the cache; False if it was not there (evicted)."""
        with self._lock:
            return self._cache.pop(adapter.int_id, None) is not None

    def step(self, adapter: Adapter) -> Weights:
        """The weights for one step of a request. Raises EngineDead when they must be read again and cannot be."""
        with self._lock:
            if self.dead:
                raise EngineDead
            try:
                self._ensure(adapter)
                weights = self._cache[adapter.int_id]
                if weights.misfit:
                    raise AdapterRejected(weights.misfit)
            except (AdapterNotFound, AdapterRejected):
                self.dead = True
                raise EngineDead from None
            return weights

    def _ensure(self, adapter: Adapter) -> None:
        if adapter.int_id in self._cache and not adapter.inplace:
            self._cache.move_to_end(adapter.int_id)
            return
        weights = read_adapter(adapter.path, self.settings.max_lora_rank, HIDDEN)
        replaced = self._cache.pop(adapter.int_id, None)
        if len(self._cache) >= self.settings.max_cpu_loras:
            self._cache.popitem(last=False)
        if not weights.misfit:
            self._cache[adapter.int_id] = weights
            return
        if replaced:
            # They stay under the old id, and only a fresh id gets rid of them. Half written, they are served up to
            # 0.32; from 0.33 on the next step activates them again, and fails again.
            self._cache[adapter.int_id] = (
                weights if self.profile.activates_again else Weights("garbage", effect="garbage")
            )
        raise AdapterRejected(weights.misfit)

    def prefix(self, adapter: Adapter, prompt: str, weights: Weights, salt: str | None = None) -> Weights:
        """The weights behind the cached first block of `prompt`: not `weights` if the cache is stale.

        salt: `cache_salt` of the request, which has a cache of its own.
        """
        if len(prompt) < BLOCK:
            return weights
        keys = {"id": adapter.int_id, "name": adapter.name, "name and path": (adapter.name, adapter.path)}
        with self._lock:
            return self._prefixes.setdefault((keys[self.profile.prefix_cache_key], prompt[:BLOCK], salt), weights)

    def reset_prefix_cache(self) -> None:
        with self._lock:
            self._prefixes.clear()
