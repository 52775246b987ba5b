# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that come in parts, requests that are too large, and servers that are silent, through the guard."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.nginx import Nginx

from .guarded import ADMIN, USER, Guarded

PARTS = 5
SECONDS = 20  # a last resort


class Upstream:
    """Answers in parts, and sends each of them only after the client has told by another way that it has the one before.

    cut_after: parts after which it closes the connection without the end.
    """

    def __init__(self) -> None:
        self.acknowledged = threading.Semaphore(0)
        self.silent = threading.Event()
        self.cut_after = PARTS
        self.upgrades: list[str | None] = []
        self.bodies: list[int] = []
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                upstream.stream(self)

            def do_GET(self) -> None:
                upstream.echo(self)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def stream(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        self.bodies.append(len(json.dumps(body)))
        if body.get("silent"):
            self.silent.wait(SECONDS)
            request.close_connection = True
            return
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream")
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        for number in range(PARTS):
            if number == self.cut_after:
                request.close_connection = True
                return
            event = f"data: {number}\n\n".encode()
            request.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            if not self.acknowledged.acquire(timeout=SECONDS):
                return
        request.wfile.write(b"0\r\n\r\n")

    def echo(self, request: BaseHTTPRequestHandler) -> None:
        """Become a WebSocket, as far as a proxy can see it: all bytes come back."""
        self.upgrades.append(request.headers.get("Upgrade"))
        if not self.upgrades[-1]:
            request.send_error(426)
            return
        request.send_response(101)
        request.send_header("Upgrade", "websocket")
        request.send_header("Connection", "Upgrade")
        request.end_headers()
        request.wfile.write(request.rfile.read(5))
        request.close_connection = True


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    threading.Thread(target=upstream.server.serve_forever, daemon=True).start()
    yield upstream
    upstream.silent.set()
    upstream.server.shutdown()
    upstream.server.server_close()


def test_streams_limits_and_time_outs(nginx: Nginx, upstream: Upstream, tmp_path: Path) -> None:
    guarded = Guarded(nginx, upstream.url, tmp_path / "runs")
    assert guarded.place(max_body_size="1k", read_timeout=1)["changed"]

    def ask(body: dict) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", guarded.port, timeout=SECONDS)
        connection.request("POST", "/v1/completions", json.dumps(body), {"Authorization": f"Bearer {USER}"})
        return connection.getresponse()

    # With a buffer anywhere, the first part would never come, and the server would never send the second.
    answer = ask({"stream": True})
    assert answer.getheader("Content-Type") == "text/event-stream"
    for number in range(PARTS):
        event = f"data: {number}\n\n".encode()
        assert answer.read(len(event)) == event
        upstream.acknowledged.release()
    assert answer.read() == b""

    # An answer that breaks off does not look complete.
    upstream.cut_after = 1
    answer = ask({"stream": True})
    upstream.acknowledged.release()
    with pytest.raises(http.client.IncompleteRead):
        answer.read()

    assert ask({"silent": True}).status == 504
    before = len(upstream.bodies)
    assert ask({"prompt": "x" * 2000}).status == 413 and len(upstream.bodies) == before

    websocket = {"Upgrade": "websocket", "Connection": "Upgrade", "Authorization": f"Bearer {USER}", "Host": "x"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in websocket.items())
    answered = guarded.send(f"GET /v1/realtime HTTP/1.1\r\n{lines}\r\nhello".encode())
    assert answered.status == 101 and answered.body == "hello"
    # Other routes and protocols stay HTTP/1.1.
    assert guarded.ask("GET", "/v1/realtime", headers={"Upgrade": "h2c"}).status == 426
    assert guarded.ask("GET", "/v1/models", ADMIN, headers={"Upgrade": "websocket"}).status == 426
    assert guarded.ask("GET", "/v1/realtime", None, headers=websocket | {"Authorization": ""}).status == 401
    assert upstream.upgrades == ["websocket", None, None]
