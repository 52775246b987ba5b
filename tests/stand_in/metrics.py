# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""GET /metrics: of all that vLLM tells there, its metric of adapters, and what else is read."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from .answers import Answer
from .engine import Adapter
from .settings import Settings

# prometheus_client since 0.22; older ones say version=0.0.4, and nobody asks.
_TYPE = "text/plain; version=1.0.0; charset=utf-8"


class Metrics:
    """The sets of adapters that were seen at work, each with the time when it was seen last. vLLM forgets none of them.

    A request that waits for a slot is counted, and named in no set: vLLM learns its name from its first step.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._running: Counter[str] = Counter()
        self._base = 0  # requests for the base model
        self._waiting = 0
        self._seen: dict[str, float] = {}
        self._changed = threading.Condition()

    @contextmanager
    def running(self, adapter: Adapter | None) -> Iterator[None]:
        """While a request is at work."""
        name = adapter.name if adapter else ""
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: self._has_slot(name))
            self._waiting -= 1
            self._count(name, 1)
        try:
            yield
        finally:
            with self._changed:
                self._count(name, -1)

    def _has_slot(self, name: str) -> bool:
        at_work = +self._running
        return not name or name in at_work or len(at_work) < self.settings.max_loras

    def _count(self, name: str, step: int) -> None:
        if name:
            self._running[name] += step
        else:
            self._base += step
        if name or self._seen:
            self._seen[",".join(+self._running)] = time.time()
        self._changed.notify_all()

    def answer(self) -> Answer:
        lines = ["# HELP vllm:num_requests_running Number of requests in model execution batches."]
        lines += ["# TYPE vllm:num_requests_running gauge"]
        running = float(self._running.total() + self._base)
        lines += [f'vllm:num_requests_running{{engine="0",model_name="tiny"}} {running}']
        lines += [f'vllm:num_requests_waiting{{engine="0",model_name="tiny"}} {float(self._waiting)}']
        lines += ["# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig"]
        lines += ["# TYPE vllm:cache_config_info gauge"]
        lines += [
            f'vllm:cache_config_info{{block_size="{self.settings.block_size}",cache_dtype="auto",engine="0"}} 1.0'
        ]
        if self.settings.enable_lora:
            lines += ["# HELP vllm:lora_requests_info Running stats on lora requests."]
            lines += ["# TYPE vllm:lora_requests_info gauge"]
            lines += [self._line(names, moment) for names, moment in self._seen.items()]
        return Answer(200, "".join(f"{line}\n" for line in lines).encode(), {"content-type": _TYPE})

    def _line(self, names: str, moment: float) -> str:
        names = names.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        # 0.32.0 and 0.33.0 name an adapter in both labels, whichever of its requests run.
        labels = f'max_lora="{self.settings.max_loras}",running_lora_adapters="{names}",waiting_lora_adapters="{names}"'
        return f"vllm:lora_requests_info{{{labels}}} {moment!r}"
