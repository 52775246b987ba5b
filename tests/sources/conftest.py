# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers of artifacts on loopback: Debian's docker-registry and nginx, with certificates of a private authority."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.certificates import write_certificate

USER, PASSWORD = "robot", "open sesame"
# By `htpasswd -B`.
_HASH = "$2y$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW"
_REGISTRY = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {directory}}}
http:
  addr: {host}
  {tls}
{auth}
"""
_NGINX = """\
daemon off;
user root;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{}}
http {{
  client_body_temp_path {directory};
  proxy_temp_path {directory};
  fastcgi_temp_path {directory};
  uwsgi_temp_path {directory};
  scgi_temp_path {directory};
  log_format ranges '$request_uri $status "$http_range"';
  access_log {directory}/access.log ranges;
  server {{
    listen {host} ssl;
    ssl_certificate {certificate};
    ssl_certificate_key {certificate};
    root {directory}/files;
    location /slow/ {{ alias {directory}/files/; limit_rate 64k; }}
  }}
}}
"""


@dataclass
class Servers:
    """authority: the certificate to trust; closed: a registry with a password and TLS; open: one with neither; web: nginx.

    Each server is given by its host and port.
    """

    directory: Path
    authority: Path
    closed: str
    open: str
    web: str

    @property
    def files(self) -> Path:
        """What nginx serves at /, and at /slow/ with 64 kB a second."""
        return self.directory / "files"

    @property
    def log(self) -> list[str]:
        """The requests to nginx."""
        return (self.directory / "access.log").read_text().splitlines()


def _free_host() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@contextlib.contextmanager
def _running(command: list[str], host: str, log: Path) -> Iterator[None]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as server:
        try:
            while True:
                assert server.poll() is None, log.read_text()
                with contextlib.suppress(ConnectionRefusedError), socket.create_connection(tuple(host.split(":")), 5):  # type: ignore[arg-type]
                    break
                time.sleep(0.05)
            yield
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    missing = [program for program in ("docker-registry", "nginx") if not shutil.which(program)]
    if missing:
        pytest.skip(f"There is no {' and no '.join(missing)}: `nox -s sources` installs Debian's as root.")
    directory = tmp_path_factory.mktemp("servers")
    authority = write_certificate(directory / "authority.pem")
    certificate = write_certificate(directory / "server.pem", authority=authority)
    (directory / "htpasswd").write_text(f"{USER}:{_HASH}\n")
    (directory / "files").mkdir()
    servers = Servers(directory, authority, _free_host(), _free_host(), _free_host())
    tls = f"tls: {{certificate: {certificate}, key: {certificate}}}"
    auth = f"auth: {{htpasswd: {{realm: here, path: {directory}/htpasswd}}}}"
    with contextlib.ExitStack() as started:
        for name, host, more in (("closed", servers.closed, (tls, auth)), ("open", servers.open, ("", ""))):
            file = directory / f"{name}.yml"
            file.write_text(_REGISTRY.format(directory=directory / name, host=host, tls=more[0], auth=more[1]))
            started.enter_context(_running(["docker-registry", "serve", str(file)], host, directory / f"{name}.log"))
        file = directory / "nginx.conf"
        file.write_text(_NGINX.format(directory=directory, host=servers.web, certificate=certificate))
        command = [str(shutil.which("nginx")), "-c", str(file), "-e", str(directory / "error.log")]
        started.enter_context(_running(command, servers.web, directory / "nginx.log"))
        yield servers
