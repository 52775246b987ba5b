# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking a whole fleet at once what it serves, so that all dead sites together cost one time-out."""

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

# Threads that have something to do get in each other's way; those that wait for a silent site do not, and are not
# counted. On 2 cores this takes half the time of 1,000 threads that start at once.
_BUSY_THREADS = 32
_SILENT_AFTER = 0.05
# Bytes. There are two threads for each endpoint, and the usual 8 MB each are more than some containers may map.
_STACK_SIZE = 512 * 1024
# What the process has open besides connections.
_OTHER_FILES = 64
_SHORTEST_TIMEOUT = 0.1


@dataclass(frozen=True)
class Answered:
    """What one server told: what it serves, and its version if it names one."""

    observed: Observed
    version: str | None = None


def ask_all(endpoints: Mapping[str, Endpoint], workers: int) -> dict[str, Answered | VllmError]:
    """Ask every endpoint what it serves. Return by name what it told, or why it told nothing.

    :param workers: how many are asked at the same time at most; fewer where the process may not open as many files.
    """
    fleet = _Fleet(endpoints, min(workers, _most_connections()))
    stack_size = threading.stack_size(_STACK_SIZE)
    try:
        return fleet.ask()
    finally:
        threading.stack_size(stack_size)


def _most_connections() -> int | float:
    """How many connections can be open. A file that cannot be opened would look like a dead site, and the look-up of a
    name takes one more for each."""
    files, _hard_limit = getrlimit(RLIMIT_NOFILE)
    return float("inf") if files == RLIM_INFINITY else max(1, (files - _OTHER_FILES) // 2)


class _Fleet:
    """A thread for each request. Versions come last, when every endpoint has been asked what counts more."""

    def __init__(self, endpoints: Mapping[str, Endpoint], most: float) -> None:
        self._most = most
        self._found: dict[str, Answered | VllmError] = {}
        self._to_ask: deque[tuple] = deque((self._observe, *item) for item in endpoints.items())
        # Their connections stay open meanwhile.
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
            return self._add_version, name, client, connection.pop_all()

    def _add_version(self, name: str, client: Client, connection: ExitStack) -> None:
        with connection:
            try:
                version = client.version()
            except VllmError:
                return
        self._found[name] = replace(self._found[name], version=version)


def _leave_time(client: Client, endpoint: Endpoint, began: float) -> None:
    """All requests to one server together have the time of one."""
    time_left = max(_SHORTEST_TIMEOUT, endpoint.timeout - (time.monotonic() - began))
    client.endpoint = replace(endpoint, timeout=time_left)
