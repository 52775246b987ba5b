# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet on loopback: one process that answers at many addresses what a stand-in answered once.

usage: python -m tests.eda.fleet ADDRESSES ADAPTERS
Prints the port, the same at each of 127.77.0.1, 127.77.0.2, …, serves until its standard input is closed, and prints how
many requests there were.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.asking import ask
from tests.vllm_stand_in import StandIn, write_adapter


def address(number: int) -> str:
    return f"127.77.{number // 250}.{number % 250 + 1}"


def adapter_names(count: int) -> list[str]:
    return [f"adapter-{number:03}" for number in range(count)]


def _answer(adapters: int) -> bytes:
    with tempfile.TemporaryDirectory() as directory, StandIn(max_cpu_loras=adapters) as server:
        path = write_adapter(Path(directory) / "adapter")
        for name in adapter_names(adapters):
            server.load(name, path)
        body = ask(server.url, "GET", "/v1/models").text.replace(str(path), "/srv/adapter").encode()
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


async def _serve(addresses: int, answer: bytes) -> None:
    served = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            served += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    first = await asyncio.start_server(converse, address(0), 0)
    port = first.sockets[0].getsockname()[1]
    others = [await asyncio.start_server(converse, address(number), port) for number in range(1, addresses)]
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for server in (first, *others):
        server.close()
    print(served, flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), _answer(int(sys.argv[2]))))
