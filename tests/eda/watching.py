# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source at work, in a thread beside the test."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.stand_in import StandIn
from tests.support.asking import eventually

from .source import load_source

PATIENCE = 60  # seconds; a last resort
INTERVAL = 0.3  # seconds, between two observations of one endpoint


class Watching:
    """Runs the source until the end of the block; `events` are those put so far, without what a rulebook adds."""

    def __init__(self, file: Path, **args: Any) -> None:
        self._args = {"declaration_file": str(file), "interval": INTERVAL, **args}
        self._main = load_source()
        self.events: list[dict[str, Any]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._stopping = asyncio.Event()
        self._failure: BaseException | None = None

    async def _run(self) -> None:
        main = asyncio.create_task(self._main(self, self._args))
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([main, stop], return_when=asyncio.FIRST_COMPLETED)
        main.cancel()
        stop.cancel()
        (outcome, _stopped) = await asyncio.gather(main, stop, return_exceptions=True)
        if not isinstance(outcome, asyncio.CancelledError):
            self._failure = outcome

    async def put(self, event: dict[str, Any]) -> None:
        """Take an event that is JSON, in place of the rulebook's queue."""
        self.events.append(json.loads(json.dumps(event)))

    def __enter__(self) -> Watching:
        self._thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._loop.close()
        if self._failure:
            raise self._failure

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def of(self, endpoint: str) -> list[dict[str, Any]]:
        """The events of one endpoint, without their wrapping."""
        return [event["drift"] for event in self.events if event.get("drift", {}).get("endpoint") == endpoint]

    def next(self, count: int = 1) -> list[dict[str, Any]]:
        """Wait for so many events, take them out and return them, without their wrapping."""
        there_are = eventually(lambda: len(self.events) >= count, PATIENCE)
        assert there_are, f"waited in vain for {count} events, there are {self.events}"
        taken, self.events = self.events[:count], self.events[count:]
        return [next(iter(event.values())) for event in taken]


def observed(server: StandIn, times: int = 4) -> None:
    """Wait until the server has been asked so many times more: enough for everything before to be told."""
    asked = len(server.log)
    enough = eventually(lambda: len(server.log) >= asked + times, PATIENCE)
    assert enough, f"waited in vain for {times} requests after {asked}, log has {len(server.log)}"


def endpoints(servers: Mapping[str, StandIn]) -> list[dict[str, Any]]:
    """Return their entries in the declaration file, under these names."""
    return [{"name": name, "base_url": server.url} for name, server in servers.items()]


def declare(file: Path, *endpoints: Any, **defaults: Any) -> Path:
    """Write a declaration at once, as an editor does that renames."""
    beside = file.with_suffix(".new")
    beside.write_text(json.dumps({"defaults": defaults, "endpoints": endpoints}))
    return beside.rename(file)
