# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered of a started server, so that another process can find and stop it."""

from __future__ import annotations

import fcntl
import json
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.real_vllm.layout import RealVllmError, servers_directory
from tests.real_vllm.process import ProcessIdentity

KEEP_SECONDS = 24 * 3600  # a stopped server's log and adapters stay for a day


@dataclass(frozen=True)
class ServerState:
    """One started server."""

    port: int
    pid: int
    started: int
    version: str
    adapters: str
    log_file: str

    @property
    def url(self) -> str:
        """Base URL without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> ProcessIdentity:
        """The server's process, children excluded."""
        return ProcessIdentity(self.pid, self.started)


def run_directory(port: int) -> Path:
    """State, log and adapters of the server on this port."""
    return servers_directory() / str(port)


def remember(state: ServerState) -> None:
    """Write the state file."""
    (run_directory(state.port) / "state.json").write_text(json.dumps(asdict(state), indent=2) + "\n")


def forget(port: int) -> None:
    """Remove the state file; log and adapters stay for a while."""
    (run_directory(port) / "state.json").unlink(missing_ok=True)


def running() -> list[ServerState]:
    """Every recorded server that still lives, by port."""
    recorded = sorted(servers_directory().glob("*/state.json"))
    states = [ServerState(**json.loads(file.read_text())) for file in recorded]
    return [state for state in states if state.process.is_alive()]


@contextmanager
def start_lock() -> Iterator[None]:
    """Held from the choice of a port to the state file, so that two starts at once do not choose the same one."""
    servers_directory().mkdir(parents=True, exist_ok=True)
    with (servers_directory() / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def claim_port(wanted: int = 0) -> int:
    """The wanted port, or for 0 one that no starting server was given.

    Raises:
        RealVllmError: somebody listens there, who would be taken for the server that is about to start.
    """
    recorded = {state.port for state in running()}
    while True:
        port = _bindable(wanted)
        if port not in recorded:
            return port
        if wanted:
            raise RealVllmError(f"Port {wanted} of 127.0.0.1 belongs to a server that is starting.")


def _bindable(wanted: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a dead server may linger
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise RealVllmError(f"Port {wanted} of 127.0.0.1 cannot be used: {error.strerror}.") from error
        return probe.getsockname()[1]


def sweep() -> None:
    """Remove what long-gone servers left behind."""
    alive = {str(state.port) for state in running()}
    for directory in servers_directory().glob("[0-9]*"):
        if directory.name not in alive and directory.stat().st_mtime < time.time() - KEEP_SECONDS:
            shutil.rmtree(directory, ignore_errors=True)
