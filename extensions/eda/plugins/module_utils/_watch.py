# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the event source, and the watch: one task for each endpoint, and one loop for the declaration file."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sovereign_vllm.plugins.module_utils._adapters.values import read_options
from sovereign_vllm.plugins.module_utils._errors import VllmError, invalid_option
from sovereign_vllm.plugins.module_utils._vllm.answers import VERSION_ROUTE, read_version
from sovereign_vllm.plugins.module_utils._vllm.model_list import HEALTH_ROUTE, require_engine

from ._declaration_file import DeclaredEndpoint, read_declaration
from ._events import EndpointState, Observation, drift_event, file_event, judge, not_compared
from ._model_lists import ModelLists
from ._weights import WatchedWeights

_LOGGER = logging.getLogger("sovereign.vllm.drift")
# Seconds between two checks of the declaration file for a change.
_FILE_INTERVAL = 1.0
_OPTIONS = {
    "declaration_file": {"type": "path"},
    "interval": {"type": "float"},
    "jitter": {"type": "float"},
    "debounce": {"type": "int"},
    "repeat_after": {"type": "float"},
    "fingerprints": {"type": "path"},
    "weights_interval": {"type": "float"},
}
_LIMITS = {
    "interval": (0.1, 86400),
    "jitter": (0, 1),
    "debounce": (1, 100),
    "repeat_after": (0.1, 86400),
    "weights_interval": (0.1, 31622400),
}


@dataclass(frozen=True)
class Settings:
    """The options of the source; times are in seconds."""

    declaration_file: Path
    interval: float = 30.0
    jitter: float = 0.1
    debounce: int = 2
    repeat_after: float | None = None
    fingerprints: Path | None = None
    weights_interval: float = 3600.0

    @property
    def confirming_interval(self) -> float:
        """The time between observations that confirm a change: short, so that debouncing delays a remedy little."""
        return self.interval / 10


def read_settings(args: Mapping) -> Settings:
    """Return the options that a rulebook gives; numbers may be text, since variables of a rulebook are.

    :raises VllmError: ``invalid_request``.
    """
    given = read_options("the event source", args, _OPTIONS)
    for option, (smallest, largest) in _LIMITS.items():
        if option in given and not smallest <= given[option] <= largest:
            raise invalid_option(option, f"is {given[option]:g}", f"give a number from {smallest} to {largest}")
    file = given.pop("declaration_file", None)
    if not file:
        raise invalid_option("declaration_file", "is missing", "name the file with the endpoints and their adapters")
    directory = given.pop("fingerprints", None)
    if directory:
        given["fingerprints"] = _path(directory)
    return Settings(_path(file), **given)


def _path(text: str) -> Path:
    return Path(os.path.expandvars(text)).expanduser()


async def watch(queue: asyncio.Queue, args: Mapping) -> None:
    """Put events into the queue until cancelled.

    :raises VllmError: ``invalid_request`` when an option cannot be used.
    """
    settings = read_settings(args)
    async with ModelLists() as model_lists:
        await _Watch(queue, settings, model_lists).run()


class _Watch:
    """The endpoints of the declaration file, each watched by its own task."""

    def __init__(self, queue: asyncio.Queue, settings: Settings, model_lists: ModelLists) -> None:
        self._queue = queue
        self._settings = settings
        self._model_lists = model_lists
        self._watched: dict[str, _WatchedEndpoint] = {}
        self._tasks: dict[str, asyncio.Task] = {}
        self._version: tuple | None = None
        self._problem = ""

    async def run(self) -> None:
        last_version = version = self._file_version()
        try:
            while True:
                # A file that is still being written can be valid and lack adapters, so it is read once it rests.
                if version == last_version and version != self._version:
                    self._version = version
                    await self._read()
                await asyncio.sleep(_FILE_INTERVAL)
                self._raise_failure()
                last_version, version = version, self._file_version()
        finally:
            await self._stop(list(self._tasks))

    def _file_version(self) -> tuple:
        """Return a value that changes with the file, also if the file is replaced or is a link that changes its target."""
        try:
            found = os.stat(self._settings.declaration_file)
        except OSError as problem:
            return (problem.errno,)
        return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)

    async def _read(self) -> None:
        file = self._settings.declaration_file
        try:
            declared = await asyncio.to_thread(read_declaration, file, os.environ)
        except VllmError as error:
            effect = (
                "The last good version stays in use" if self._watched else "Nothing is watched until it is corrected"
            )
            await self._reject(f"{error.message} {effect}.")
            return
        await self._stop([name for name in self._tasks if name not in {target.name for target in declared}])
        self._start(declared)
        if self._problem:
            self._problem = ""
            await self._queue.put(file_event("accepted", file, "The declaration file is in use."))
        _LOGGER.info("Watching %d endpoints of the declaration file %s", len(declared), file)

    async def _reject(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            _LOGGER.error("%s", problem)
            await self._queue.put(file_event("rejected", self._settings.declaration_file, problem))

    def _start(self, declared: tuple[DeclaredEndpoint, ...]) -> None:
        """Start the new endpoints, spread over one interval, and give the others their new declaration."""
        for place, target in enumerate(declared):
            if target.name in self._watched:
                self._watched[target.name].retarget(target)
            else:
                watched = _WatchedEndpoint(self._queue, self._settings, self._model_lists, target)
                delay = self._settings.interval * place / len(declared)
                self._watched[target.name] = watched
                self._tasks[target.name] = asyncio.create_task(watched.run(delay))

    async def _stop(self, names: list[str]) -> None:
        tasks = [self._tasks.pop(name) for name in names]
        for name, task in zip(names, tasks, strict=True):
            del self._watched[name]
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _raise_failure(self) -> None:
        """Raise the fault of a task, so that ansible-rulebook stops instead of silently watching one endpoint less."""
        for task in self._tasks.values():
            if task.done():
                task.result()


class _WatchedEndpoint:
    """Observes one endpoint again and again, and reports its changes of state."""

    def __init__(
        self, queue: asyncio.Queue, settings: Settings, model_lists: ModelLists, target: DeclaredEndpoint
    ) -> None:
        self._queue = queue
        self._settings = settings
        self._model_lists = model_lists
        self._target = target
        self._retargeted = asyncio.Event()
        self._state = EndpointState(settings.debounce, settings.repeat_after)
        self._weights = WatchedWeights(settings.fingerprints, settings.weights_interval, model_lists)

    def retarget(self, target: DeclaredEndpoint) -> None:
        """Compare with this declaration from now on."""
        if target != self._target:
            self._target = target
            self._state.stop_confirming()
            self._retargeted.set()

    async def run(self, delay: float) -> None:
        await self._pause(delay)
        while True:
            began = time.monotonic()
            self._retargeted.clear()
            target = self._target
            seen = await self._observe(target)
            if target is self._target:
                await self._report(target, seen)
            # There is a pause even after a slow answer.
            await self._pause(max(self._settings.confirming_interval, self._interval() - (time.monotonic() - began)))

    async def _observe(self, target: DeclaredEndpoint) -> Observation:
        try:
            answer = await self._model_lists.get(target.endpoint)
            version = None
            if target.requirements.version and answer.status == 200:
                version = read_version(await self._model_lists.get(target.endpoint, VERSION_ROUTE))
            seen = judge(target, answer, version, self._weights.differing)
            if seen.outlives_engine:
                require_engine(await self._model_lists.get(target.endpoint, HEALTH_ROUTE))
            if seen.decided and await self._weights.measure(target, seen.decided, time.monotonic()):
                seen = judge(target, answer, version, self._weights.differing)
        except VllmError as error:
            return not_compared(error.with_traceback(None))
        return seen

    async def _report(self, target: DeclaredEndpoint, seen: Observation) -> None:
        for state in self._state.changes(seen, time.monotonic()):
            event = drift_event(state, target, seen, self._state.repeated)
            _LOGGER.info("%s: %s", state, event["drift"]["msg"])
            await self._queue.put(event)

    def _interval(self) -> float:
        settings = self._settings
        interval = settings.confirming_interval if self._state.is_confirming else settings.interval
        return interval * random.uniform(1 - settings.jitter, 1 + settings.jitter)

    async def _pause(self, seconds: float) -> None:
        """Wait. If the declaration changes, wait only a short random time, so that not all endpoints are asked at once."""
        try:
            await asyncio.wait_for(self._retargeted.wait(), seconds)
        except asyncio.TimeoutError:
            return
        await asyncio.sleep(random.uniform(0, self._settings.confirming_interval))
