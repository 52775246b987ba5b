# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the cost of watching a fleet.

usage: python -m tests.eda.cost [--endpoints 200] [--adapters 20] [--interval 5] [--seconds 60] [--bare | --dead]
Watches a fleet on loopback from a process of its own and prints what that process used, as JSON. --bare: asks the same
servers as often with nothing but aiohttp and json, for comparison. --dead: every server refuses connections.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.support.loopback_fleet import LoopbackFleet

from .source import load_source

_PAGE = os.sysconf("SC_PAGE_SIZE")


def _declaration(urls: list[str], adapters: dict[str, str]) -> dict[str, Any]:
    declared = [{"name": name, "path": path, "base_model": "tiny"} for name, path in adapters.items()]
    return {"defaults": {"adapters": declared, "prune": True}, "endpoints": urls}


async def _ask_bare(urls: list[str], interval: float) -> None:
    import aiohttp

    async def ask(place: int, url: str) -> None:
        await asyncio.sleep(interval * place / len(urls))
        while True:
            async with session.get(url + "/v1/models") as response:
                json.loads(await response.read())
            await asyncio.sleep(interval)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True)) as session:
        await asyncio.gather(*(ask(place, url) for place, url in enumerate(urls)))


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


async def _measured(work: Any, queue: asyncio.Queue, warm_up: float, seconds: float) -> dict[str, Any]:
    task = asyncio.create_task(work)
    await asyncio.wait([task], timeout=warm_up)
    gc.collect()
    processor, clock, resident = time.process_time(), time.monotonic(), [_resident()]
    while (left := clock + seconds - time.monotonic()) > 0 and not task.done():
        await asyncio.wait([task], timeout=min(left, seconds / 10))
        resident.append(_resident())
    used, passed = time.process_time() - processor, time.monotonic() - clock
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return {"share_of_core": used / passed, "seconds": passed, "resident": resident, "events": queue.qsize()}


def measure(endpoints: int, adapters: int, interval: float, seconds: float, kind: str = "") -> dict[str, Any]:
    """Return the share of one core, the resident bytes at eleven moments, and the numbers of events and requests.

    Share and bytes are those of `seconds` after the first round of all endpoints. kind: "bare" or "dead", see above.
    """
    options = {"endpoints": endpoints, "adapters": adapters, "interval": interval, "seconds": seconds}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "tests.eda.cost", *arguments, *([f"--{kind}"] if kind else [])]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout)


def _main() -> None:
    parser = argparse.ArgumentParser(prog="tests.eda.cost")
    parser.add_argument("--endpoints", type=int, default=200)
    parser.add_argument("--adapters", type=int, default=20)
    parser.add_argument("--interval", type=float, default=5)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--dead", action="store_true")
    options = parser.parse_args()

    with (
        LoopbackFleet(options.endpoints + 1, options.adapters, closed=options.endpoints * options.dead) as fleet,
        tempfile.TemporaryDirectory() as directory,
    ):
        urls = fleet.urls[1:]  # the first one lives: it keeps the port of those that refuse
        file = Path(directory, "declaration.json")
        file.write_text(json.dumps(_declaration(urls, fleet.adapters)))

        async def run() -> dict[str, Any]:
            queue: asyncio.Queue = asyncio.Queue()
            if options.bare:
                work = _ask_bare(urls, options.interval)
            else:
                work = load_source()(queue, {"declaration_file": str(file), "interval": options.interval})
            return await _measured(work, queue, 1.5 * options.interval, options.seconds)

        used = asyncio.run(run())
        print(json.dumps({**used, "requests": fleet.take_counts().total()}))


if __name__ == "__main__":
    _main()
