# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes what is asked of a server that keeps no log for us: a reverse proxy on loopback."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Seen:
    """One request; `at`: when it came, on the monotonic clock."""

    method: str
    path: str
    at: float


class Recorder:
    """Passes everything on to the server at `upstream`, also where it is asked as a forward proxy. A context manager.

    log: every request in order of arrival; on_request: called with each one before it is passed on.
    """

    def __init__(self, upstream: str) -> None:
        self.log: list[Seen] = []
        self.on_request: Callable[[Seen], object] | None = None
        self._upstream = upstream
        self._proxy = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._proxy.server_address[1]}"

    def clear_log(self) -> None:
        self.log.clear()

    def __enter__(self) -> Recorder:
        threading.Thread(target=self._proxy.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._proxy.shutdown()
        self._proxy.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                recorder._pass_on(self)

            do_POST = do_DELETE = do_GET

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        return Handler

    def _pass_on(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(self._upstream)
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        seen = Seen(request.command, request.path, time.monotonic())
        self.log.append(seen)
        if self.on_request:
            self.on_request(seen)
        server = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=300)
        path = request.path.removeprefix(self._upstream)
        try:
            server.request(request.command, parts.path + path, body or None, dict(request.headers))
            answer = server.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            request.close_connection = True
            return
        finally:
            server.close()
        request.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)
