# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask all servers of a fleet at the same time, so that all dead sites together cost one time-out."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
from typing import TypeVar

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.models import Observed
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.module_utils._http.certificates import SharedContexts
from ansible_collections.sovereign.vllm.plugins.module_utils._http.client import Client
from ansible_collections.sovereign.vllm.plugins.module_utils._http.transport import Transport, call_within
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.endpoint import Endpoint

# Only threads with work to do are counted. A thread that waits for a silent site costs nothing. Python runs one thread at a
# time, so a few keep it busy, and more only cost the time to switch between them.
_BUSY_THREADS = 8
_SILENT_AFTER = 0.02
# Seconds between two looks at the clock once every server has been asked.
_GLANCE = 0.1
# Bytes. Each endpoint has a thread, and two if requests are repeated. With the usual 8 MB each, some containers run out of
# memory to map.
_STACK_SIZE = 512 * 1024
# Open files of the process that are not connections.
_OTHER_FILES = 64
_SHORTEST_TIMEOUT = 0.1

_T = TypeVar("_T")


@dataclass(frozen=True)
class Answered:
    """The answers of one server: its list of models, and its version if it names one."""

    observed: Observed
    version: str | None = None


def ask_all(endpoints: Mapping[str, Endpoint], workers: int) -> dict[str, Answered | VllmError]:
    """Read the list of models of every endpoint. Return, by name, the answer or the error.

    :param workers: limit of endpoints that are asked at the same time. If the process may open fewer files, that limit counts.
    """
    fleet = _Fleet(endpoints, min(workers, _most_connections()))
    stack_size = threading.stack_size(_STACK_SIZE)
    try:
        return fleet.ask()
    finally:
        threading.stack_size(stack_size)


def _most_connections() -> int | float:
    """Return the limit of open connections. Each one takes a second file, to look up the name of the host. A connection
    beyond the limit of open files would look like a dead site."""
    files, _hard_limit = getrlimit(RLIMIT_NOFILE)
    return float("inf") if files == RLIM_INFINITY else max(1, (files - _OTHER_FILES) // 2)


class _Inquiry:
    """All requests to one server, one after the other on one connection."""

    def __init__(self, endpoint: Endpoint, contexts: SharedContexts) -> None:
        self.deadline = float("inf")
        self._endpoint = endpoint
        self._began = time.monotonic()
        # A request that is repeated goes on in this thread although its first attempt may hang, so each has a thread of its own.
        self._transport = Transport(endpoint, call_within if endpoint.retries else self._watched, contexts)
        self._answered: Answered | None = None

    def ask(self) -> Answered | VllmError:
        with Client(self._endpoint, self._transport) as client:
            try:
                observed = client.read_list()
                self._leave_time(client)
                client.require_engine(observed)
                self._answered = Answered(observed)
                self._leave_time(client)
                return Answered(observed, client.version())
            except VllmError as error:
                return self._answered or error

    def outcome_if_late(self) -> Answered | VllmError:
        return self._answered or self._transport.overdue()

    def _watched(self, seconds: float, call: Callable[[], _T]) -> _T:
        """Run the call in this thread, which costs a fraction of another one. The fleet looks at the deadline."""
        self.deadline = time.monotonic() + seconds
        try:
            return call()
        finally:
            self.deadline = float("inf")

    def _leave_time(self, client: Client) -> None:
        """Limit all requests to one server together to the time-out of one."""
        time_left = max(_SHORTEST_TIMEOUT, self._endpoint.timeout - (time.monotonic() - self._began))
        client.endpoint = replace(self._endpoint, timeout=time_left)


class _Fleet:
    """Threads that ask one server after the other, and replace those that wait for a silent one."""

    def __init__(self, endpoints: Mapping[str, Endpoint], most: float) -> None:
        self._most = most
        self._contexts = SharedContexts()
        self._to_ask = deque(endpoints.items())
        # By name, with the time of its beginning; the oldest stands first.
        self._asked: dict[str, tuple[_Inquiry, float]] = {}
        self._found: dict[str, Answered | VllmError] = {}
        self._faults: list[BaseException] = []
        self._progress = threading.Condition()

    def ask(self) -> dict[str, Answered | VllmError]:
        with self._progress:
            while self._to_ask or self._asked:
                self._give_up_on_overdue()
                while following := self._next():
                    threading.Thread(target=self._run, args=following, daemon=True).start()
                if self._asked:
                    self._progress.wait(_SILENT_AFTER / 2 if self._to_ask else _GLANCE)
                if self._faults:
                    raise self._faults[0]
        return self._found

    def _next(self) -> tuple[str, _Inquiry] | None:
        """Begin with the next endpoint, unless enough threads have work to do or wait."""
        if not self._to_ask or len(self._asked) >= self._most or self._busy_threads() >= _BUSY_THREADS:
            return None
        name, endpoint = self._to_ask.popleft()
        inquiry = _Inquiry(endpoint, self._contexts)
        self._asked[name] = inquiry, time.monotonic()
        return name, inquiry

    def _busy_threads(self) -> int:
        lately = time.monotonic() - _SILENT_AFTER
        busy = 0
        for _inquiry, began in reversed(self._asked.values()):
            if began < lately:
                break
            busy += 1
        return busy

    def _give_up_on_overdue(self) -> None:
        """Nothing can stop a blocked look-up of a name. Its thread ends later, and its outcome counts no more."""
        now = time.monotonic()
        for name in [name for name, (inquiry, _began) in self._asked.items() if inquiry.deadline < now]:
            self._found[name] = self._asked.pop(name)[0].outcome_if_late()

    def _run(self, name: str, inquiry: _Inquiry) -> None:
        following: tuple[str, _Inquiry] | None = name, inquiry
        while following:
            following = self._finish(*following)

    def _finish(self, name: str, inquiry: _Inquiry) -> tuple[str, _Inquiry] | None:
        """Ask one server. Return the next one, or None if this thread is to end."""
        try:
            outcome = inquiry.ask()
        except BaseException as fault:
            self._faults.append(fault)
        with self._progress:
            if name not in self._asked:
                return None
            del self._asked[name]
            if not self._faults:
                self._found[name] = outcome
            following = None if self._faults else self._next()
            if not following and (self._faults or not self._asked):
                self._progress.notify()
            return following
