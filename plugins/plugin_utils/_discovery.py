# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask all servers of a fleet at the same time, so that all dead sites together cost one time-out."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.models import Observed
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.module_utils._http.client import Client
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.endpoint import Endpoint

# Only threads with work to do are counted. A thread that waits for a silent site costs nothing. On 2 cores, this limit
# takes half the time of 1,000 threads that start at once.
_BUSY_THREADS = 32
_SILENT_AFTER = 0.05
# Bytes. Each endpoint has two threads. With the usual 8 MB each, some containers run out of memory to map.
_STACK_SIZE = 512 * 1024
# Open files of the process that are not connections.
_OTHER_FILES = 64
_SHORTEST_TIMEOUT = 0.1


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


class _Fleet:
    """One thread for each request. Versions are read last, after the lists of models of all endpoints."""

    def __init__(self, endpoints: Mapping[str, Endpoint], most: float) -> None:
        self._most = most
        self._found: dict[str, Answered | VllmError] = {}
        self._to_ask: deque[tuple] = deque((self._observe, *item) for item in endpoints.items())
        # Connections of these endpoints stay open until their version is read.
        self._to_ask_version: deque[tuple] = deque()
        self._started: dict[threading.Thread, float] = {}
        self._faults: list[BaseException] = []
        self._progress = threading.Condition()

    def ask(self) -> dict[str, Answered | VllmError]:
        with self._progress:
            while self._to_ask or self._to_ask_version or self._started:
                request = self._next_request()
                if request:
                    self._start(*request)
                else:
                    self._progress.wait(_SILENT_AFTER / 2 if self._to_ask or self._to_ask_version else None)
                if self._faults:
                    raise self._faults[0]
        return self._found

    def _next_request(self) -> tuple | None:
        if self._busy_threads() >= _BUSY_THREADS:
            return None
        if self._to_ask and len(self._started) + len(self._to_ask_version) < self._most:
            return self._to_ask.popleft()
        return self._to_ask_version.popleft() if self._to_ask_version else None

    def _busy_threads(self) -> int:
        lately = time.monotonic() - _SILENT_AFTER
        busy = 0
        for started in reversed(self._started.values()):
            if started < lately:
                break
            busy += 1
        return busy

    def _start(self, *request: object) -> None:
        thread = threading.Thread(target=self._run, args=request, daemon=True)
        self._started[thread] = time.monotonic()
        thread.start()

    def _run(self, request: Callable[..., tuple | None], *arguments: object) -> None:
        follow_up = None
        try:
            follow_up = request(*arguments)
        except BaseException as fault:
            self._faults.append(fault)
        with self._progress:
            del self._started[threading.current_thread()]
            if follow_up:
                self._to_ask_version.append(follow_up)
            self._progress.notify()

    def _observe(self, name: str, endpoint: Endpoint) -> tuple | None:
        began = time.monotonic()
        with ExitStack() as connection:
            client = connection.enter_context(Client(endpoint))
            try:
                observed = client.read_list()
                _leave_time(client, endpoint, began)
                client.require_engine(observed)
                self._found[name] = Answered(observed)
            except VllmError as error:
                self._found[name] = error
                return None
            _leave_time(client, endpoint, began)
            return self._add_version, name, observed, client, connection.pop_all()

    def _add_version(self, name: str, observed: Observed, client: Client, connection: ExitStack) -> None:
        with connection:
            try:
                version = client.version()
            except VllmError:
                return
        self._found[name] = Answered(observed, version)


def _leave_time(client: Client, endpoint: Endpoint, began: float) -> None:
    """Limit all requests to one server together to the time-out of one."""
    time_left = max(_SHORTEST_TIMEOUT, endpoint.timeout - (time.monotonic() - began))
    client.endpoint = replace(endpoint, timeout=time_left)
