# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One client's connection: requests off the wire, answers onto it."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from .answers import Answer
from .request import Request

if TYPE_CHECKING:
    from .server import StandIn


def head(answer: Answer, length: int | None) -> bytes:
    """Status line and headers. length: of the body in bytes; None: the body ends with the connection."""
    with contextlib.suppress(ValueError):
        phrase = HTTPStatus(answer.status).phrase
    lines = [f"HTTP/1.1 {answer.status} {phrase}", f"date: {formatdate(usegmt=True)}", "server: uvicorn"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    lines.append("connection: close" if length is None else f"content-length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Connection(BaseHTTPRequestHandler):
    """Lives as long as the connection; one thread each."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, sock: socket.socket, address: Any, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        self.timeout = stand_in.settings.keep_alive
        self.ended = False
        super().__init__(sock, address, stand_in)

    def log_message(self, format: str, *args: Any) -> None:
        """Be silent: the stand-in keeps its own log."""

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.connection.settimeout(None)
        self.stand_in.serve(Request(self.command, self.path, headers, raw), self)
        if not self.ended:
            self.connection.settimeout(self.timeout)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve

    def send(self, answer: Answer) -> None:
        body = b"" if self.command == "HEAD" else answer.body
        self.write(head(answer, len(answer.body)) + body)

    def write(self, data: bytes) -> None:
        """Send bytes as they are; a client that has gone ends the connection."""
        try:
            self.connection.sendall(data)
        except OSError:
            self.end()

    def end(self) -> None:
        """Answer no further request of this connection."""
        self.ended = self.close_connection = True

    def reset(self) -> None:
        """Reset the connection (RST), as a process that is killed does."""
        self.end()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def is_gone(self) -> bool:
        """Whether the client, or the stand-in itself, has ended the connection."""
        if self.ended:
            return True
        try:
            readable, _writable, _broken = select.select([self.connection], [], [], 0)
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except (OSError, ValueError):
            return True
