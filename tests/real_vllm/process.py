# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One process with its children: start it in a session of its own, recognise it again, stop all of it (Linux)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessIdentity:
    """A pid with the moment it started (clock ticks since boot), so that a reused pid is never taken for ours."""

    pid: int
    started: int

    def is_alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        stat = _stat(self.pid)
        return stat is not None and stat.started == self.started and stat.state != "Z"


@dataclass(frozen=True)
class _Stat:
    pid: int
    state: str
    session: int
    started: int


def spawn(command: list[str], environment: dict[str, str], log_file: Path) -> subprocess.Popen:
    """Start a process that outlives this one, with its output in a log file."""
    with log_file.open("wb") as log:
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=log_file.parent,
            start_new_session=True,
        )


def identify(pid: int) -> ProcessIdentity:
    """The identity of a process that was just started."""
    stat = _stat(pid)
    if stat is None:
        raise ProcessLookupError(pid)
    return ProcessIdentity(pid, stat.started)


def stop(process: ProcessIdentity, grace: float = 20.0) -> None:
    """End the process and every process of its session: SIGTERM, and SIGKILL after `grace` seconds.

    The engine is a child process: it outlives its parent for a while and holds the memory, so it is awaited too.
    """
    _end(process, signal.SIGTERM, grace)
    _end(process, signal.SIGKILL, patience=10.0)
    _reap(process.pid)


def _end(process: ProcessIdentity, signal_number: int, patience: float) -> None:
    for pid in _members(process):
        _signal(pid, signal_number)
    deadline = time.monotonic() + patience
    while _members(process) and time.monotonic() < deadline:
        time.sleep(0.05)


def _members(process: ProcessIdentity) -> list[int]:
    leader = _stat(process.pid)
    if leader is not None and leader.started != process.started:
        return []  # the kernel gives a pid away again only when no process is left in the session of that number
    every = (_stat(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [stat.pid for stat in every if stat and stat.session == process.pid and stat.state != "Z"]


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # Field 2 is the command in brackets and may hold blanks and brackets itself; proc(5) counts fields from 1.
    fields = text[text.rindex(")") + 2 :].split()
    return _Stat(pid, state=fields[0], session=int(fields[3]), started=int(fields[19]))


def _signal(pid: int, signal_number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal_number)


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):  # started by another run: its own parent reaps it
        os.waitpid(pid, os.WNOHANG)
