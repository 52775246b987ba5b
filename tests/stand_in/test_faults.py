# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What arrives at a client when the stand-in misbehaves."""

from __future__ import annotations

import http.client
import socket
import threading
import time
import zlib
from pathlib import Path

import pytest

from tests.stand_in import Fault, StandIn
from tests.stand_in.misbehaviour import KINDS
from tests.support.asking import ask, load, served, unload

LIST = ("GET", "/v1/models")


def _raw(server: StandIn, at_most: int = 1 << 20) -> bytes:
    """Everything that comes in answer to GET /v1/models, up to a size."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
        data = b""
        while len(data) < at_most:
            chunk = connection.recv(65536)
            if not chunk:
                break
            data += chunk
        return data


def test_faults_hit_by_method_path_and_count() -> None:
    with StandIn() as server:
        server.faults.add(Fault(*LIST, "answer", status=503, times=1, after=1))
        statuses = [ask(server.url, "GET", path).status for path in ("/health", *["/v1/models"] * 3)]
        assert statuses == [200, 200, 503, 200]
        server.faults.add(Fault("*", "/", "answer", status=500))
        assert ask(server.url, "POST", "/anything").status == 500
        server.faults.clear()
        assert ask(server.url, "GET", "/v1/models").status == 200
        assert [request.status for request in server.log] == [*statuses, 500, 200]


def test_reset() -> None:
    with StandIn() as server:
        server.faults.add(Fault(*LIST, "reset"))
        with pytest.raises(ConnectionResetError):
            _raw(server)


def test_reset_in_the_body() -> None:
    with StandIn() as server:
        server.faults.add(Fault(*LIST, "reset_body"))
        with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
            ask(server.url, *LIST)


def test_short_body() -> None:
    with StandIn() as server:
        server.faults.add(Fault(*LIST, "short_body"))
        with pytest.raises(http.client.IncompleteRead):
            ask(server.url, *LIST)


def test_silence_until_released() -> None:
    with StandIn() as server:
        server.faults.add(Fault(*LIST, "silence"))
        with pytest.raises(TimeoutError):
            ask(server.url, *LIST, timeout=0.2)
        timer = threading.Timer(0.2, server.faults.clear)
        timer.start()
        assert served(server.url) == {"tiny": "tiny"}


def test_silence_ends_with_the_server() -> None:
    with StandIn() as server:
        server.faults.add(Fault(*LIST, "silence"))
        threading.Timer(0.2, server.kill).start()
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            ask(server.url, *LIST)


@pytest.mark.parametrize(("kind", "at_once"), [("trickle_headers", b""), ("trickle_body", b"HTTP/1.1 200 OK")])
def test_trickle(kind: str, at_once: bytes) -> None:
    with StandIn() as server:
        server.faults.add(Fault(*LIST, kind, interval=0.02))
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.3)
            data = connection.recv(65536)
        assert data.startswith(at_once)
        assert len(data) < (30 if kind == "trickle_headers" else 300)


def test_trickle_comes_to_an_end() -> None:
    with StandIn() as server:
        server.faults.add(Fault(*LIST, "trickle_headers", interval=0))
        assert served(server.url) == {"tiny": "tiny"}


def test_answers() -> None:
    with StandIn() as server:
        server.faults.add(
            Fault(*LIST, "html", times=1),
            Fault(*LIST, "html", status=502, times=1),
            Fault(*LIST, "empty_list", times=1),
            Fault(*LIST, "redirect", location="http://127.0.0.1:9/x", times=1),
            Fault(*LIST, "answer", status=429, headers={"Retry-After": "3"}, times=1),
            Fault(*LIST, "answer", status=503, text="busy", headers={"content-type": "text/plain"}, times=1),
        )
        replies = [ask(server.url, *LIST) for _turn in range(6)]
        assert [reply.status for reply in replies] == [200, 502, 200, 302, 429, 503]
        assert replies[0].content_type == replies[1].content_type == "text/html; charset=utf-8"
        assert replies[2].json == {"object": "list", "data": []}
        assert replies[3].headers["location"] == "http://127.0.0.1:9/x"
        assert (replies[4].headers["retry-after"], replies[4].text) == ("3", "")
        assert (replies[5].text, replies[5].content_type) == ("busy", "text/plain")


def test_ignored_writes(examples: Path) -> None:
    with StandIn() as server:
        server.faults.add(Fault("POST", "/v1/", "ignored"))
        assert load(server.url, "a", examples / "first").text == "Success: LoRA adapter 'a' added successfully."
        assert unload(server.url, "a").text == "Success: LoRA adapter 'a' removed successfully."
        assert served(server.url) == {"tiny": "tiny"}


def test_dies_instead_of_answering() -> None:
    with StandIn() as server:
        server.faults.add(Fault(*LIST, "die"))
        with pytest.raises(ConnectionResetError):
            _raw(server)
        with pytest.raises(ConnectionRefusedError):
            ask(server.url, "GET", "/health")


def test_endless_body() -> None:
    with StandIn() as server:
        server.faults.add(Fault(*LIST, "endless"))
        assert len(_raw(server, at_most=5_000_000)) >= 5_000_000


def test_gzip_bomb() -> None:
    with StandIn() as server:
        server.faults.add(Fault(*LIST, "gzip_bomb"))
        head, _blank, body = _raw(server, at_most=50_000).partition(b"\r\n\r\n")
        assert b"content-encoding: gzip" in head
        assert len(zlib.decompressobj(wbits=31).decompress(body)) > 500 * len(body)


def test_every_kind_is_described() -> None:
    described = Fault.__doc__ or ""
    assert [kind for kind in KINDS if kind not in described] == []
