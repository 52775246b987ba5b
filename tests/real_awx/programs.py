# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that a controller consists of, started on loopback and on sockets, and stopped with all their children."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.asking import eventually

_STOP_SECONDS = 20
_START_SECONDS = 120  # a last resort
# Debian keeps the programs of a database's administrator there.
_DEBIAN = "/usr/lib/postgresql"


class MissingProgramError(Exception):
    """A program is not installed. The message tells which, and what brings it."""


def find(program: str, brought_by: str) -> str:
    """Return the path of a program."""
    places = [os.environ["PATH"], *map(str, sorted(Path(_DEBIAN).glob("*/bin"), reverse=True))]
    found = shutil.which(program, path=os.pathsep.join(places))
    if not found:
        raise MissingProgramError(f"This needs the program {program}. It is part of {brought_by}.")
    return found


class Programs:
    """Programs that run until the end of the block, each with its output in a file of the directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._running: list[subprocess.Popen[bytes]] = []

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        is_ready: Callable[[], bool] = lambda: True,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        """Start a program and wait until it is ready. user: who runs it, if not the caller."""
        log = self.directory / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                env=environment,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **_as(user),
            )
        self._running.append(process)

        def ready() -> bool:
            assert process.poll() is None, f"{name} ended: {log.read_text(errors='replace')[-4000:]}"
            return is_ready()

        assert eventually(ready, _START_SECONDS), f"{name} is not ready: {log.read_text(errors='replace')[-4000:]}"

    def __enter__(self) -> Programs:
        return self

    def __exit__(self, *_exception: object) -> None:
        for process in reversed(self._running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                pass
            # What has left its parent is still in its group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Database:
    """A PostgreSQL whose only way in is a socket in `directory`, with an empty database `awx`."""

    def __init__(self, programs: Programs, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        user = None
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            user = "nobody"
            os.chown(directory, pwd.getpwnam(user).pw_uid, -1)
        initdb = [self._find("initdb"), "--pgdata", directory / "data", "--username", "awx", "--auth", "trust"]
        _run([*initdb, "--encoding", "UTF8", "--locale", "C", "--no-sync"], cwd=directory, **_as(user))
        # It is thrown away: nothing has to survive a crash.
        fast = ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200"]
        command = [self._find("postgres"), "-D", directory / "data", "-k", directory, "-h", "", *fast]
        programs.start("postgresql", command, self._is_ready, user=user)
        self.run("createdb", "awx")

    def run(self, program: str, *arguments: str | Path) -> None:
        """Run a program that comes with PostgreSQL, such as pg_dump, as owner of the database."""
        _run([self._find(program), "--host", self.directory, "--username", "awx", *arguments])

    def _is_ready(self) -> bool:
        command = [self._find("pg_isready"), "--quiet", "--host", self.directory]
        return subprocess.run(command, check=False).returncode == 0

    @staticmethod
    def _find(program: str) -> str:
        return find(program, "PostgreSQL (Debian: postgresql)")


def start_redis(programs: Programs, socket: Path) -> None:
    """Start a Redis that is reached through a socket, and stores nothing."""
    redis = find("redis-server", "Redis (Debian: redis-server)")
    options = ["--port", "0", "--unixsocket", socket, "--unixsocketperm", "700", "--save", "", "--appendonly", "no"]
    programs.start("redis", [redis, *options], socket.exists)


def _as(user: str | None) -> dict[str, object]:
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _run(command: Sequence[str | Path], **options: object) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
