# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the history of audits in a file of JSON lines, to which several runs can append at once."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.history import RUNS, Entry, Past, read_entry

_OPTION = "drift_report_history"
_MODE = 0o644
_BLOCK = 1 << 20
# A longer line is none of ours.
_LONGEST = 8 << 20
# Every line is longer, which saves counting the lines of a small file.
_SHORTEST = 100
# What the lines of all entries have. Reading each line would take seconds.
_BEGIN, _END = b'{"site":', b'"format":1}\n'
_SITE = re.compile(rb'\{"site":("(?:[^"\\]|\\.)*")')
# The file is shortened when this much is too old, not at every run, since it is written anew for it.
_SLACK = 0.1
_PATIENCE = 60


def record(
    file: Path, sites: Collection[str], days: int, lines: int, made: Callable[[Past], list[Entry]]
) -> tuple[Past, list[Entry]]:
    """Append the entries of this run. Return what the file told about the sites before, and these entries.

    :param sites: the names of the sites in the report.
    :param days: entries of runs that were so long before this one are removed.
    :param lines: of more entries than these, the oldest are removed.
    :param made: makes the entries of this run, with the past of their sites.
    :raises VllmError: ``invalid_request`` if the file cannot be used.
    """
    file = Path(os.path.realpath(file.expanduser()))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _locked(file) as stream:
            past = _past(stream, set(sites))
            now = made(past)
            _append(stream, b"".join(entry.as_line() for entry in now))
            at = max((entry.at for entry in now), default="")
            if at and _is_too_long(stream, at, days, lines):
                _shorten(stream, file, _before(at, days), lines)
        return past, now
    except OSError as error:
        problem = f"{_OPTION} is {quoted(file)}, which cannot be written on the controller ({error.strerror})"
        raise refused(problem, "make it writable for the user who runs Ansible, or choose another file") from None


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[BinaryIO]:
    """Yield the file, which no other run changes meanwhile."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, _MODE)
        with os.fdopen(descriptor, "r+b", buffering=0) as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise refused(f"{_OPTION} is {quoted(file)}, which is no regular file", "choose another file")
            if _locks(descriptor, file, deadline):
                yield stream  # type: ignore[misc]
                return


def _locks(descriptor: int, file: Path, deadline: float) -> bool:
    """Lock the file. Return False if another run has replaced it, so that the lock is on the former one."""
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise _busy(file) from None
            time.sleep(0.05)
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.stat(file))
    return False


def _busy(file: Path) -> VllmError:
    problem = f"another run has held {_OPTION} ({quoted(file)}) for {_PATIENCE} seconds"
    return refused(problem, "wait for that run, or end it")


def _past(stream: BinaryIO, sites: set[str]) -> Past:
    """Read backwards: all entries of the last runs, then only what is needed to have one of each site."""
    # As the lines have them.
    wanted = {json.dumps(site).encode("ascii") for site in sites}
    runs: set[str] = set()
    skipped = 0
    latest: dict[str, Entry] = {}
    recent: list[Entry] = []
    for line in _backwards(stream):
        if len(runs) > RUNS and not wanted:
            break
        if not line:
            continue
        site = _SITE.match(line)
        if len(runs) > RUNS and site and site[1] not in wanted:
            continue
        entry = read_entry(line)
        if entry is None:
            skipped += 1
            continue
        runs.add(entry.at)
        if len(runs) <= RUNS:
            recent.append(entry)
        if entry.site in sites and entry.site not in latest:
            latest[entry.site] = entry
            wanted.discard(json.dumps(entry.site).encode("ascii"))
    return Past(latest, recent[::-1], skipped)


def _backwards(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of the file, the last one first."""
    end, rest = os.fstat(stream.fileno()).st_size, b""
    while end and len(rest) < _LONGEST:
        start = max(0, end - _BLOCK)
        lines = (os.pread(stream.fileno(), end - start, start) + rest).split(b"\n")
        rest, end = lines[0], start
        yield from reversed(lines[1:])
    yield rest


def _append(stream: BinaryIO, text: bytes) -> None:
    """Append all of the text, or nothing."""
    size = os.fstat(stream.fileno()).st_size
    if size and os.pread(stream.fileno(), 1, size - 1) != b"\n":
        # The end of a line that was cut off, such as by a loss of power, is no beginning of ours.
        text = b"\n" + text
    try:
        view = memoryview(text)
        while view:
            view = view[os.write(stream.fileno(), view) :]
        os.fsync(stream.fileno())
    except BaseException:
        os.ftruncate(stream.fileno(), size)
        raise


def _is_too_long(stream: BinaryIO, at: str, days: int, lines: int) -> bool:
    with open(os.dup(stream.fileno()), "rb") as reader:
        reader.seek(0)
        first = next(filter(None, map(read_entry, reader.readlines(_BLOCK))), None)
        if first and first.at < _before(at, days * (1 + _SLACK)):
            return True
        most = lines * (1 + _SLACK)
        return os.fstat(reader.fileno()).st_size > most * _SHORTEST and _count(reader) > most


def _count(reader: BinaryIO) -> int:
    reader.seek(0)
    return sum(line.startswith(_BEGIN) and line.endswith(_END) for line in reader)


def _before(at: str, days: float) -> str:
    """Return the time so many days before a time of an entry."""
    try:
        moment = datetime.fromisoformat(at[:-1]) - timedelta(days=days)
    except OverflowError:
        return ""
    return f"{moment.isoformat()}Z"


def _shorten(stream: BinaryIO, file: Path, oldest: str, lines: int) -> None:
    """Write the file without its oldest entries. Lines that are no entries stay, since they are somebody's."""
    with open(os.dup(stream.fileno()), "rb") as reader:
        surplus = _count(reader) - lines
        reader.seek(0)
        descriptor, beside = tempfile.mkstemp(prefix=f".{file.name[:100]}.", dir=file.parent)
        try:
            with os.fdopen(descriptor, "wb") as writer:
                for line in reader:
                    entry = read_entry(line)
                    is_old = entry is not None and (surplus > 0 or entry.at < oldest)
                    surplus -= is_old
                    if not is_old:
                        writer.write(line)
                    if entry and not is_old:
                        break
                shutil.copyfileobj(reader, writer, _BLOCK)
                os.fchmod(descriptor, stat.S_IMODE(os.fstat(stream.fileno()).st_mode))
                writer.flush()
                os.fsync(descriptor)
            os.replace(beside, file)
        except BaseException:
            os.unlink(beside)
            raise
