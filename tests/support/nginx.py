# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real nginx of this test alone, beside any that the machine runs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.asking import eventually

_MAIN = """\
{user}
pid {top}/nginx.pid;
error_log {top}/error.log info;
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {top}/body;
    proxy_temp_path {top}/proxy;
    fastcgi_temp_path {top}/fastcgi;
    uwsgi_temp_path {top}/uwsgi;
    scgi_temp_path {top}/scgi;
    include {top}/conf.d/*.conf;
}}
"""


def program() -> str:
    """Return nginx's program, or skip the test."""
    found = shutil.which("nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
    if not found:
        pytest.skip("This needs nginx: as root, the session `guard` installs Debian's package nginx.")
    return found


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Nginx:
    """As Debian's, with its files below `top`. It is started by its first reload, and stopped by the end of the block.

    directory: whose `*.conf` it reads.
    """

    def __init__(self, top: Path) -> None:
        self.top = top
        self.directory = top / "conf.d"
        self.directory.mkdir(parents=True)
        # Otherwise the workers of root's nginx are another user, who cannot enter pytest's directories.
        user = "user root;" if os.geteuid() == 0 else ""
        (top / "nginx.conf").write_text(_MAIN.format(top=top, user=user))
        command = [program(), "-c", str(top / "nginx.conf")]
        self.test_command = [*command, "-t"]
        start_or_reload = 'if [ -s "$1" ]; then shift; exec "$@" -s reload; else shift; exec "$@"; fi'
        self.reload_command = ["/bin/sh", "-c", start_or_reload, "sh", str(top / "nginx.pid"), *command]

    @property
    def log(self) -> str:
        return (self.top / "error.log").read_text()

    def reload(self) -> None:
        subprocess.run(self.reload_command, check=True, capture_output=True)

    def __enter__(self) -> Nginx:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        pid = self.top / "nginx.pid"
        if pid.exists():
            subprocess.run([*self.test_command[:-1], "-s", "stop"], check=True, capture_output=True)
            assert eventually(lambda: not pid.exists())
