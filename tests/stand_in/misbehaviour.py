# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each kind of fault does to one exchange."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING

from . import answers
from .answers import Answer, json_answer
from .connection import Connection, head
from .request import Request

if TYPE_CHECKING:
    from .faults import Fault
    from .server import StandIn

PORTAL = (
    b"<!DOCTYPE html><html><head><title>Welcome</title></head><body><h1>Please log in to the network</h1></body></html>"
)


@dataclass
class Exchange:
    """One request that is hit by a fault. `real` gives the true answer, and lets the request take effect."""

    stand_in: StandIn
    request: Request
    connection: Connection
    fault: Fault
    real: Callable[[], Answer]

    def send(self, answer: Answer) -> None:
        self.request.status = answer.status
        self.connection.send(answer)

    def send_head(self, answer: Answer, length: int | None) -> None:
        self.request.status = answer.status
        self.connection.write(head(answer, length))

    def pause(self, seconds: float) -> bool:
        """Wait; False once the connection is gone or the faults are cleared."""
        return not self.stand_in.faults.released.wait(seconds) and not self.connection.is_gone()


def misbehave(exchange: Exchange) -> None:
    """Let the fault of this exchange happen."""
    if exchange.fault.effect:
        answer = exchange.real()
        exchange.real = lambda: answer
    KINDS[exchange.fault.kind](exchange)


def _reset(exchange: Exchange) -> None:
    exchange.connection.reset()


def _half(exchange: Exchange) -> None:
    answer = exchange.real()
    exchange.send_head(answer, len(answer.body))
    exchange.connection.write(answer.body[: len(answer.body) // 2])
    exchange.connection.end()


def _reset_body(exchange: Exchange) -> None:
    _half(exchange)
    exchange.connection.reset()


def _silence(exchange: Exchange) -> None:
    while exchange.pause(0.1):
        pass
    if not exchange.connection.is_gone():
        exchange.send(exchange.real())


def _trickle(exchange: Exchange, slow: bytes) -> None:
    for number in slow:
        exchange.connection.write(bytes([number]))
        if not exchange.pause(exchange.fault.interval):
            break
    exchange.connection.end()


def _trickle_headers(exchange: Exchange) -> None:
    answer = exchange.real()
    exchange.request.status = answer.status
    _trickle(exchange, head(answer, len(answer.body)) + answer.body)


def _trickle_body(exchange: Exchange) -> None:
    answer = exchange.real()
    exchange.send_head(answer, len(answer.body))
    _trickle(exchange, answer.body)


def _cut_json(exchange: Exchange) -> None:
    answer = exchange.real()
    exchange.send(Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers))


def _answer(exchange: Exchange) -> None:
    fault = exchange.fault
    if fault.json is not ...:
        exchange.send(json_answer(fault.status or 200, fault.json, **fault.headers))
        return
    text = fault.text.encode() if isinstance(fault.text, str) else fault.text
    exchange.send(Answer(fault.status or 200, text, dict(fault.headers)))


def _html(exchange: Exchange) -> None:
    status = exchange.fault.status or 200
    exchange.send(Answer(status, PORTAL, {"content-type": "text/html; charset=utf-8", **exchange.fault.headers}))


def _empty_list(exchange: Exchange) -> None:
    exchange.send(json_answer(200, {"object": "list", "data": []}))


def _redirect(exchange: Exchange) -> None:
    exchange.send(Answer(exchange.fault.status or 302, b"", {"location": exchange.fault.location}))


def _ignored(exchange: Exchange) -> None:
    body = exchange.request.body or {}
    verb = "removed" if exchange.request.path.startswith("/v1/unload") else "added"
    text = f"Success: LoRA adapter '{body.get('lora_name')}' {verb} successfully."
    exchange.send(answers.success(exchange.stand_in.profile, text))


def _stream(exchange: Exchange, headers: dict[str, str], start: bytes, chunks: Iterator[bytes]) -> None:
    exchange.send_head(Answer(200, headers=headers), None)
    exchange.connection.write(start)
    while not exchange.connection.is_gone():
        exchange.connection.write(next(chunks))
    exchange.connection.end()


def _endless(exchange: Exchange) -> None:
    card = json.dumps({"id": "x" * 1000, "object": "model", "max_model_len": None, "parent": "tiny"}).encode()
    start = b'{"object":"list","data":['
    _stream(exchange, {"content-type": "application/json"}, start, repeat((card + b",") * 64))


def _gzip_bomb(exchange: Exchange) -> None:
    gzip = zlib.compressobj(9, wbits=31)
    start = gzip.compress(b'{"object":"list","data":[') + gzip.flush(zlib.Z_FULL_FLUSH)
    block = gzip.compress(b" " * (1 << 20)) + gzip.flush(zlib.Z_FULL_FLUSH)  # about 1 kB, and self-contained
    _stream(exchange, {"content-type": "application/json", "content-encoding": "gzip"}, start, repeat(block))


def _die(exchange: Exchange) -> None:
    exchange.stand_in.kill(spare=exchange.connection)
    exchange.connection.reset()


def _die_after(exchange: Exchange) -> None:
    answer = exchange.real()
    # First, so that the client finds nobody there when it has the answer.
    exchange.stand_in.kill(spare=exchange.connection)
    exchange.send(answer)
    exchange.connection.end()


KINDS: dict[str, Callable[[Exchange], None]] = {
    "reset": _reset,
    "reset_body": _reset_body,
    "short_body": _half,
    "silence": _silence,
    "trickle_headers": _trickle_headers,
    "trickle_body": _trickle_body,
    "cut_json": _cut_json,
    "answer": _answer,
    "html": _html,
    "empty_list": _empty_list,
    "redirect": _redirect,
    "ignored": _ignored,
    "endless": _endless,
    "gzip_bomb": _gzip_bomb,
    "die": _die,
    "die_after": _die_after,
}
