# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server behind a guard that the role has put there, and requests to it as they are on the wire."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.sovereign.vllm.plugins.module_utils._operations.vllm_guard import GuardOperation

from tests.support.nginx import Nginx, free_port
from tests.support.playbook import AS_MODULE, Run, run_playbook

USER, ADMIN, SERVER = "user-key.0123+/=~", "admin-key-4567", "server-key-89ab"
# Loopback addresses are as good as any for a client. This one is the admin network.
ADMIN_ADDRESS, OTHER_ADDRESS = "127.0.0.2", "127.0.0.3"
ROLE = "- ansible.builtin.include_role: {name: sovereign.vllm.guard}\n"
TASK = "Guard the server"


@dataclass(frozen=True)
class Answered:
    status: int
    headers: str
    body: str


class Guarded:
    """Runs the role against one nginx.

    port: where the guard listens.
    """

    def __init__(self, nginx: Nginx, upstream: str, runs: Path, **variables: Any) -> None:
        self.nginx = nginx
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._runs = runs
        self._count = 0
        self.variables = {
            "guard_listen": [f"127.0.0.1:{self.port}"],
            "guard_upstream": upstream,
            "guard_upstream_key": SERVER,
            "guard_user_keys": [USER],
            "guard_admin_keys": [ADMIN],
            "guard_admin_networks": [ADMIN_ADDRESS],
            "guard_directory": str(nginx.directory),
            "guard_test_command": nginx.test_command,
            "guard_reload_command": nginx.reload_command,
            **variables,
        }

    def apply(self, rc: int = 0, options: tuple[str, ...] = (), tasks: str = ROLE, **variables: Any) -> Run:
        """Run the role with these variables beside its own."""
        self._count += 1
        given = {**self.variables, **variables}
        return run_playbook(
            tasks, {"node": {**AS_MODULE, **given}}, self._runs / str(self._count), rc=rc, options=options
        )

    def place(self, **options: Any) -> dict:
        """Do what the module does, in this process: a playbook takes much longer, and tests/guard/test_role.py runs some."""
        operation = GuardOperation()
        defaults = {name: spec.get("default") for name, spec in operation.options.items()}
        own = {name.partition("_")[2]: value for name, value in self.variables.items()}
        return operation.result({**defaults, **own, **options}, check_mode=False)

    @property
    def files(self) -> dict[str, str]:
        return {file.name: file.read_text() for file in sorted(self.nginx.directory.iterdir())}

    def ask(
        self,
        method: str,
        target: str,
        key: str | None = USER,
        source: str = OTHER_ADDRESS,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """Ask from an address. target: as it is on the request line."""
        lines = [f"{method} {target} HTTP/1.1", "Connection: close", f"Content-Length: {len(body)}"]
        given = {"Host": f"127.0.0.1:{self.port}", "Content-Type": "application/json", **(headers or {})}
        if key is not None:
            given.setdefault("Authorization", f"Bearer {key}")
        lines += [f"{name}: {value}" for name, value in given.items()]
        return self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body, source)

    def send(self, data: bytes, source: str = OTHER_ADDRESS) -> Answered:
        """Send bytes as they are, and read the first answer to the end of the connection."""
        with socket.create_connection(("127.0.0.1", self.port), 20, (source, 0)) as connection:
            connection.sendall(data)
            received = b""
            while True:
                try:
                    more = connection.recv(65536)
                except ConnectionResetError:
                    break
                if not more:
                    break
                received += more
        head, _blank, content = received.decode("latin-1").partition("\r\n\r\n")
        status = int(head.split()[1]) if head.startswith("HTTP/") else 0
        return Answered(status, head, content)
