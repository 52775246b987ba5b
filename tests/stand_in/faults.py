# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on request: which request is hit by which fault."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Fault:
    """One misbehaviour of the server. It hits requests by method ("*": any) and prefix of the path.

    kind:
      reset           the connection is reset before any byte of an answer
      reset_body      … in the middle of the body
      short_body      the connection is closed in the middle of the body
      silence         no answer until faults.clear() or the end of the connection
      trickle_headers, trickle_body  one byte every `interval` seconds
      cut_json        a complete HTTP answer whose JSON ends in the middle
      answer          `status` (200) and `headers`, with `json` (any value), or else with the bytes of `text`
      html            200 and the login page of a captive portal
      empty_list      a model list without any model
      redirect        `status` (302) to `location`
      ignored         a write is answered 200 with vLLM's words, and nothing happens
      endless         a body that never ends
      gzip_bomb       a body that is a thousand times larger than what is sent, and never ends
      die, die_after  the server dies instead of answering, or after it
    times: how many requests are hit (None: all); after: how many matching ones pass before.
    effect: the request takes effect all the same, whatever is answered: an answer that got lost.
    """

    method: str
    path: str
    kind: str
    times: int | None = None
    after: int = 0
    effect: bool = False
    status: int | None = None
    json: Any = ...  # for None is a value: null
    text: str | bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    location: str = "https://portal.example.org/login"
    interval: float = 0.05

    def __post_init__(self) -> None:
        from .misbehaviour import KINDS

        if self.kind not in KINDS:
            raise ValueError(f"no such kind of fault: {self.kind!r}; there are {', '.join(sorted(KINDS))}")

    def matches(self, method: str, path: str) -> bool:
        return self.method in ("*", method) and path.startswith(self.path)


class Faults:
    """The faults in force. The first one that matches hits."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self.released = threading.Event()

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._faults.extend(faults)
            self.released.clear()

    def clear(self) -> None:
        """Behave again, and let go of the requests that wait in silence: they get their answers."""
        with self._lock:
            self._faults.clear()
            self.released.set()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that hits this request, counted."""
        with self._lock:
            for fault in self._faults:
                if not fault.matches(method, path) or fault.times == 0:
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None
