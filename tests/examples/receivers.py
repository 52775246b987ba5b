# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A webhook and a mail server on this machine, which keep what they are told."""

from __future__ import annotations

import json
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


class Webhook:
    """`posted`: what was posted to `url`, whose path is a secret. `status`: the answer."""

    path = "/hooks/s3cr3t-of-the-webhook"

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []
        self.status = 200
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert (self.path, self.headers["Content-Type"]) == (webhook.path, "application/json")
                webhook.posted.append(json.loads(body))
                self.send_response(webhook.status)
                self.end_headers()

            def log_message(self, *_about: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}{self.path}"

    def __enter__(self) -> Webhook:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _OnAnyPort(Controller):
    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class MailServer:
    """`mails`: those that it took from someone with the right password."""

    username, password = "auditor", "s3cr3t-of-the-mail-server"

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self._controller = _OnAnyPort(
            self, "127.0.0.1", 0, authenticator=self._authenticate, auth_required=True, auth_require_tls=False
        )

    def _authenticate(
        self, _server: object, _session: object, _envelope: object, _mechanism: str, given: object
    ) -> Any:
        right = LoginPassword(self.username.encode(), self.password.encode())
        return AuthResult(success=given == right, handled=False)

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 taken"

    @property
    def port(self) -> int:
        return self._controller.port

    def __enter__(self) -> MailServer:
        self._controller.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._controller.stop()
