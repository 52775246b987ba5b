# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watch itself: one task for each endpoint, and one eye on the declaration file."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections.abc import Mapping

from sovereign_vllm.plugins.module_utils._errors import VllmError
from sovereign_vllm.plugins.module_utils._vllm.model_list import HEALTH_ROUTE, require_engine

from ._declaration_file import DeclaredEndpoint, read_declaration
from ._events import declaration_event, drift_event
from ._model_lists import ModelLists
from ._settings import Settings, read_settings
from ._state import UNREACHABLE, EndpointState, Observation, judge

_LOGGER = logging.getLogger("sovereign.vllm.drift")
# Seconds between two looks at the declaration file.
_FILE_INTERVAL = 1.0


async def watch(queue: asyncio.Queue, args: Mapping) -> None:
    """Put events into the queue until cancelled.

    :raises VllmError: ``invalid_request`` when an option cannot be used.
    """
    settings = read_settings(args)
    async with ModelLists() as model_lists:
        await _Watch(queue, settings, model_lists).run()


class _Watch:
    """The endpoints of the declaration in force, each watched by a task of its own."""

    def __init__(self, queue: asyncio.Queue, settings: Settings, model_lists: ModelLists) -> None:
        self._queue = queue
        self._settings = settings
        self._model_lists = model_lists
        self._watched: dict[str, _WatchedEndpoint] = {}
        self._tasks: dict[str, asyncio.Task] = {}
        self._version: tuple | None = None
        self._complaint = ""

    async def run(self) -> None:
        last_look = version = self._file_version()
        try:
            while True:
                # A file that is still being written can be valid and yet lack adapters: wait until it rests.
                if version == last_look and version != self._version:
                    self._version = version
                    await self._read()
                await asyncio.sleep(_FILE_INTERVAL)
                self._raise_failure()
                last_look, version = version, self._file_version()
        finally:
            await self._stop(list(self._tasks))

    def _file_version(self) -> tuple:
        """What changes when the file does; also when it is replaced, or is a link that is turned to another one."""
        try:
            found = os.stat(self._settings.declaration)
        except OSError as problem:
            return (problem.errno,)
        return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)

    async def _read(self) -> None:
        file = self._settings.declaration
        try:
            declared = await asyncio.to_thread(read_declaration, file, os.environ)
        except VllmError as error:
            stays = "The last good one stays in force" if self._watched else "Nothing is watched until it is good"
            await self._complain(f"{error.message} {stays}.")
            return
        await self._stop([name for name in self._tasks if name not in {target.name for target in declared}])
        self._start(declared)
        if self._complaint:
            self._complaint = ""
            await self._queue.put(declaration_event("accepted", file, "The declaration is in force."))
        _LOGGER.info("Watching %d endpoints as declared in %s", len(declared), file)

    async def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            self._complaint = complaint
            _LOGGER.error("%s", complaint)
            await self._queue.put(declaration_event("rejected", self._settings.declaration, complaint))

    def _start(self, declared: tuple[DeclaredEndpoint, ...]) -> None:
        """Start the endpoints that are new, spread over one interval, and tell the others what is new for them."""
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
        """Let ansible-rulebook know of a fault in here, instead of watching one endpoint less in silence."""
        for task in self._tasks.values():
            if task.done():
                task.result()


class _WatchedEndpoint:
    """One endpoint: looked at, judged and told about, again and again."""

    def __init__(
        self, queue: asyncio.Queue, settings: Settings, model_lists: ModelLists, target: DeclaredEndpoint
    ) -> None:
        self._queue = queue
        self._settings = settings
        self._model_lists = model_lists
        self._target = target
        self._retargeted = asyncio.Event()
        self._state = EndpointState(settings.debounce, settings.repeat_after)

    def retarget(self, target: DeclaredEndpoint) -> None:
        """Watch for what is declared now."""
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
            seen = await self._look(target)
            if target is self._target:
                await self._tell(target, seen)
            # A slow endpoint is not asked without a pause.
            await self._pause(max(self._settings.confirming_interval, self._interval() - (time.monotonic() - began)))

    async def _look(self, target: DeclaredEndpoint) -> Observation:
        try:
            answer = await self._model_lists.get(target.endpoint)
            seen = judge(target, answer)
            if seen.outlives_engine:
                require_engine(await self._model_lists.get(target.endpoint, HEALTH_ROUTE))
        except VllmError as error:
            return Observation(UNREACHABLE, error=error.with_traceback(None))
        return seen

    async def _tell(self, target: DeclaredEndpoint, seen: Observation) -> None:
        for state in self._state.changes(seen, time.monotonic()):
            event = drift_event(state, target, seen, self._state.repeated)
            _LOGGER.info("%s: %s", state, event["drift"]["msg"])
            await self._queue.put(event)

    def _interval(self) -> float:
        settings = self._settings
        interval = settings.confirming_interval if self._state.is_confirming else settings.interval
        return interval * random.uniform(1 - settings.jitter, 1 + settings.jitter)

    async def _pause(self, seconds: float) -> None:
        """Wait, or for a moment only when the target changes, each endpoint for another one."""
        try:
            await asyncio.wait_for(self._retargeted.wait(), seconds)
        except asyncio.TimeoutError:
            return
        await asyncio.sleep(random.uniform(0, self._settings.confirming_interval))
