# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask many servers what they serve, as a script does it that only wants to be quick: one event loop, and aiohttp.

usage: plain_asyncio.py FILE
FILE holds the URLs and the timeout in seconds as JSON. Prints how many answered.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import aiohttp

settings = json.loads(Path(sys.argv[1]).read_text())
AT_ONCE = 1000


async def _look(session: aiohttp.ClientSession, limit: asyncio.Semaphore, url: str) -> tuple[list, str] | None:
    try:
        async with limit:
            # One after the other, on one connection.
            async with session.get(f"{url}/v1/models") as answer:
                models = (await answer.json())["data"]
            async with session.get(f"{url}/version") as answer:
                return models, (await answer.json())["version"]
    except (aiohttp.ClientError, asyncio.TimeoutError):
        return None


async def _look_at_all() -> None:
    timeout = aiohttp.ClientTimeout(total=settings["timeout"])
    limit = asyncio.Semaphore(AT_ONCE)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        seen = await asyncio.gather(*(_look(session, limit, url) for url in settings["urls"]))
    print(sum(one is not None for one in seen))


asyncio.run(_look_at_all())
