# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet on loopback: one process that listens on an address of its own for each site, and answers what vLLM answers."""

from __future__ import annotations

import asyncio
import errno
import http
import multiprocessing
import resource
import socket
import tempfile
from collections import Counter
from contextlib import AbstractContextManager, suppress
from multiprocessing.connection import Connection

from tests.stand_in import StandIn, write_adapter
from tests.support.asking import ask, load

READS = ("/v1/models", "/version", "/health", "/v1/load_lora_adapter")
Answers = dict[str, bytes]


class LoopbackFleet(AbstractContextManager):
    """`count` sites that serve the same `adapters`; the last of them are dead: `silent` take connections and never
    answer, `closed` refuse them.

    urls: one for each site; adapters: name to path, the same on all of them.
    """

    def __init__(self, count: int, adapters: int, silent: int = 0, closed: int = 0) -> None:
        answers, self.adapters = _answers_of_a_stand_in(adapters)
        hosts = [f"127.100.{number // 250}.{number % 250 + 1}" for number in range(count)]
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(hosts[: count - closed], silent, answers, theirs), daemon=True
        )
        self._process.start()
        port = self._pipe.recv()
        self.urls = [f"http://{host}:{port}" for host in hosts]

    def take_counts(self) -> Counter[str]:
        """How often each method and path was asked for, in all sites together, since the last time."""
        self._pipe.send("counts")
        return self._pipe.recv()

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.join()


def _answers_of_a_stand_in(adapters: int) -> tuple[Answers, dict[str, str]]:
    """What a server with this many adapters answers to a GET of each path, byte by byte, and these adapters."""
    with tempfile.TemporaryDirectory() as directory, StandIn(max_cpu_loras=adapters) as server:
        for number in range(1, adapters + 1):
            name = f"adapter-{number:02}"
            load(server.url, name, write_adapter(f"{directory}/{name}"))
        replies = {path: ask(server.url, "GET", path) for path in READS}
    cards = replies["/v1/models"].json["data"]
    served = {card["id"]: card["root"] for card in cards if not card["max_model_len"]}
    assert len(served) == adapters, f"the stand-in serves {len(served)} adapters"
    answers = {}
    for path, reply in replies.items():
        head = f"HTTP/1.1 {reply.status} {http.HTTPStatus(reply.status).phrase}\r\nserver: uvicorn\r\n"
        head += (
            f"content-type: {reply.content_type or 'text/plain'}\r\ncontent-length: {len(reply.text.encode())}\r\n\r\n"
        )
        answers[path] = (head + reply.text).encode()
    return answers, served


# In the process of the sites


class _Site(asyncio.Protocol):
    def __init__(self, answers: Answers, counts: Counter[str]) -> None:
        self._answers = answers
        self._counts = counts
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _blank, self._received = self._received.partition(b"\r\n\r\n")
            method, path, _rest = head.decode("latin-1").split(" ", 2)
            self._counts[f"{method} {path}"] += 1
            missing = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            self._transport.write(self._answers.get(path, missing) if method == "GET" else missing)


def _serve(hosts: list[str], silent: int, answers: Answers, pipe: Connection) -> None:
    _soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(_serve_all(_listen(hosts), silent, answers, pipe))


def _listen(hosts: list[str]) -> list[socket.socket]:
    """Sockets that listen on one port, the same on each host: the first one that is free on all of them."""
    while True:
        listeners: list[socket.socket] = []
        try:
            for host in hosts:
                port = listeners[0].getsockname()[1] if listeners else 0
                listeners.append(socket.create_server((host, port), backlog=128))
            return listeners
        except OSError as error:
            for listener in listeners:
                listener.close()
            if error.errno != errno.EADDRINUSE:
                raise


async def _serve_all(listeners: list[socket.socket], silent: int, answers: Answers, pipe: Connection) -> None:
    counts: Counter[str] = Counter()
    loop = asyncio.get_running_loop()

    def reply() -> None:
        with suppress(EOFError):
            pipe.recv()
            pipe.send(counts)
            counts.clear()

    loop.add_reader(pipe.fileno(), reply)
    for listener in listeners[: len(listeners) - silent]:  # nobody accepts from the others, but the kernel
        await loop.create_server(lambda: _Site(answers, counts), sock=listener)
    pipe.send(listeners[0].getsockname()[1])
    await asyncio.Event().wait()
