# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store of a node, ``<store>/<name>/<first digits of the digest>``, and the versions that may be removed from it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import posixpath
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator

from .._adapters.staged import folder_of, version_of
from .._errors import VllmError

#: Begins the names of directories that are not complete yet, or are being removed.
UNFINISHED = ".staging-"
#: A file in an adapter's directory, and one of the controller: checksum of an archive → digest, so that a staged version needs no archive.
INDEX = ".checksums.json"
_MAX_INDEX = 1 << 20  # bytes
_LOCK = ".lock"
_VERSION = re.compile(r"[0-9a-f]{12}")
_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}")


def version_directory(store: str, name: str, digest: str) -> str:
    """Return the directory of the version with this digest.

    :raises VllmError: as ``folder_of()``.
    """
    return os.path.join(store, folder_of(name), version_of(digest))


def store_error(path: str, verb: str, error: OSError) -> VllmError:
    """Return the error for a file or directory of the store that cannot be read, written or removed."""
    hint = "check that the disk has room, that the user of the task may write there, and whether the task needs become"
    return VllmError("store_error", f"{path} cannot be {verb}: {error.strerror}", hint, detail=str(error))


@contextlib.contextmanager
def store_errors(path: str, verb: str = "written") -> Iterator[None]:
    """Raise ``store_error`` for an ``OSError`` in the block."""
    try:
        yield
    except OSError as error:
        raise store_error(error.filename or path, verb, error) from None


@contextlib.contextmanager
def locked(home: str, verb: str = "written") -> Iterator[None]:
    """Keep two runs apart that change the same adapter. The lock ends with its process.

    :raises VllmError: ``store_error`` for an ``OSError`` in the block.
    """
    # A file instead of the directory, because NFS locks only files that are open for writing.
    with store_errors(home, verb), open(os.path.join(home, _LOCK), "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remove_unfinished(home: str) -> None:
    """Remove the directories that killed runs have left behind. The caller holds the lock."""
    for entry in os.listdir(home):
        if entry.startswith(UNFINISHED):
            shutil.rmtree(os.path.join(home, entry), ignore_errors=True)


def versions(home: str) -> list[str]:
    """Return the names of the versions in an adapter's directory, sorted."""
    if not os.path.isdir(home):
        return []
    with os.scandir(home) as entries:
        return sorted(
            entry.name for entry in entries if _VERSION.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
        )


def staged_digest(store: str, name: str, checksum: str) -> str | None:
    """Return the digest of a version in the store, or None. The caller compares it with the files.

    :param checksum: that digest, or the checksum of an archive that was staged.
    :raises VllmError: as ``folder_of()``.
    """
    home = os.path.join(store, folder_of(name))
    for digest in (checksum, read_index(home).get(checksum)):
        if digest and os.path.lexists(version_directory(store, name, digest)):
            return digest
    return None


def remember_checksum(target: str, checksum: str, digest: str) -> None:
    """Remember the digest for the checksum of an archive.

    If the index cannot be written, the version is still there, and the next run reads the archive again.

    :param target: the directory of the version.
    :raises VllmError: ``store_error`` if the lock cannot be taken.
    """
    home = os.path.dirname(target)
    with locked(home):
        before = read_index(home)
        present = versions(home)
        index = {known: its for known, its in before.items() if version_of(its) in present}
        index[checksum] = digest
        if index != before:
            with contextlib.suppress(OSError):
                write_index(home, index)


def write_index(home: str, index: dict[str, str]) -> None:
    """Write the index as a whole. The caller holds the lock.

    :raises OSError: if it cannot be written. The former index is there then.
    """
    beside = tempfile.mkdtemp(prefix=UNFINISHED, dir=home)
    try:
        file = os.path.join(beside, INDEX)
        with open(file, "w", encoding="utf-8") as stream:
            json.dump(index, stream, indent=1, sort_keys=True)
            stream.flush()
            os.fsync(stream.fileno())
        # For audits by a user who may only read the store.
        os.chmod(file, 0o644)
        os.rename(file, os.path.join(home, INDEX))
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def read_index(home: str) -> dict[str, str]:
    """Return checksum → digest. A damaged index counts as empty, because it only saves reading an archive."""
    try:
        descriptor = os.open(os.path.join(home, INDEX), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        with open(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return {}
            index = json.loads(stream.read(_MAX_INDEX))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(index, dict):
        return {}
    return {
        checksum: digest
        for checksum, digest in index.items()
        if isinstance(digest, str) and _CHECKSUM.fullmatch(digest) and _CHECKSUM.fullmatch(checksum)
    }


def removable_versions(home: str, keep: int, roots: Iterable[str]) -> list[str]:
    """Return the versions that no server lists, without the ``keep`` newest of these, oldest first.

    :param roots: all paths that servers list, as they see them. A server may have the store at another path. A root
        that ends in an adapter's directory and a version, or leads through them, is one of that version.
    """
    used = {step for root in roots for step in zip(_parts(root), _parts(root)[1:])}
    unused = [version for version in versions(home) if (os.path.basename(home), version) not in used]
    newest_first = sorted(unused, key=lambda version: os.stat(os.path.join(home, version)).st_mtime_ns, reverse=True)
    return newest_first[keep:][::-1]


def remove_version(home: str, version: str) -> None:
    """Remove a version under another name, so that a killed run leaves no half of it under its own.

    The caller holds the lock.
    """
    beside = tempfile.mkdtemp(prefix=UNFINISHED, dir=home)
    os.rename(os.path.join(home, version), os.path.join(beside, version))
    shutil.rmtree(beside)


def _parts(path: str) -> list[str]:
    return posixpath.normpath(path).split("/")
