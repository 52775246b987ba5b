# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what ``/metrics`` tells of adapters.

vLLM keeps one line for every set of adapters that it has seen at work, and its value is the time when it last saw that
set: the line with the largest value is the present. There is none before the first request for an adapter.

That line alone can be wrong in two ways (seen on 0.32.0 and 0.33.0). It still names the adapter of a request whose client has
gone until another request is at work. And a request that waits is in no line before it has run. Two other metrics count the
requests that run and that wait, whatever their model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .._errors import printable
from .answers import Answer

METRICS_ROUTE = "/metrics"
_NAME = "vllm:lora_requests_info"
_LINE = re.compile(r"^vllm:lora_requests_info\{(.*)\} (\S+)", re.MULTILINE)
_BLOCK_SIZE = re.compile(r'^vllm:cache_config_info\{(?:[^"]*"[^"]*")*?[^"]*\bblock_size="(\d{1,9})"', re.MULTILINE)
_RUNNING = re.compile(r"^vllm:num_requests_running(?:\{[^}\n]*\})? (\S+)", re.MULTILINE)
_WAITING = re.compile(r"^vllm:num_requests_waiting(?:\{[^}\n]*\})? (\S+)", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
# Servers with several processes in front show a metric only once it has a value.
_SEVERAL_PROCESSES = "Multiprocess metric"


@dataclass(frozen=True)
class LoraState:
    """What the server tells of adapters; None for what it does not tell.

    :ivar enabled: it was started with ``--enable-lora``.
    :ivar max_loras: how many adapters can be in one batch (``--max-loras``).
    :ivar running, waiting: the adapters whose requests run or wait.
    :ivar block_size: tokens in a block of the KV cache.
    :ivar queued: how many requests wait, of any model.
    """

    enabled: bool | None = None
    max_loras: int | None = None
    running: tuple[str, ...] | None = None
    waiting: tuple[str, ...] | None = None
    block_size: int | None = None
    queued: int | None = None

    def has_requests(self, adapters: Iterable[str]) -> bool | None:
        """Return whether requests for one of these adapters run, or may be among those that wait; None if that is not known."""
        if self.running is None or self.waiting is None:
            return None
        if self.queued:
            return True
        # vLLM separates names by commas, so a name that has one is split.
        return any({*self.running, *self.waiting}.issuperset(_names(adapter)) for adapter in adapters)

    def as_dict(self) -> dict:
        running, waiting = (None if one is None else list(one) for one in (self.running, self.waiting))
        return {"enabled": self.enabled, "max_loras": self.max_loras, "running": running, "waiting": waiting}


def read_metrics(answer: Answer) -> LoraState:
    """Return what the answer of ``/metrics`` tells. An answer that is not vLLM's tells nothing."""
    if answer.status != 200 or "vllm:" not in answer.body:
        return LoraState()
    if _NAME not in answer.body:
        return LoraState() if _SEVERAL_PROCESSES in answer.body else LoraState(enabled=False)
    found = _BLOCK_SIZE.search(answer.body)
    block_size = int(found.group(1)) if found else None
    lines = [(_number(value), labels) for labels, value in _LINE.findall(answer.body)]
    queued = _sum(_WAITING, answer.body)
    if not lines:
        return LoraState(enabled=True, running=(), waiting=(), block_size=block_size, queued=queued)
    labels = {name: _unescaped(value) for name, value in _LABEL.findall(max(lines)[1])}
    slots = labels.get("max_lora", "")
    is_idle = queued == 0 and _sum(_RUNNING, answer.body) == 0
    return LoraState(
        enabled=True,
        max_loras=int(slots) if slots.isdecimal() and slots.isascii() else None,
        running=() if is_idle else _names(labels.get("running_lora_adapters", "")),
        waiting=() if is_idle else _names(labels.get("waiting_lora_adapters", "")),
        block_size=block_size,
        queued=queued,
    )


def _sum(metric: re.Pattern[str], text: str) -> int | None:
    """Return the sum over all engines, or None if the server does not tell."""
    values = [_number(value) for value in metric.findall(text)]
    return int(sum(values)) if values and all(map(math.isfinite, values)) else None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _unescaped(text: str) -> str:
    return re.sub(r"\\.", lambda found: _ESCAPES.get(found.group(), found.group()), text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(sorted(printable(name) for name in text.split(",") if name))
