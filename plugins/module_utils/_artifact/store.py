# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store of a node, ``<store>/<name>/<first digits of the digest>``, and what may be removed from it."""

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
from urllib.parse import quote

from .._errors import VllmError, invalid_option

#: Begins the names of directories that are not complete yet, or no longer.
UNFINISHED = ".staging-"
_DIGITS = 12
#: In an adapter's directory: which digest an archive of this checksum had, so that its version needs no archive.
_INDEX = ".checksums.json"
_MAX_INDEX = 1 << 20  # bytes
_LOCK = ".lock"
_VERSION = re.compile(r"[0-9a-f]{%d}" % _DIGITS)
_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST_NAME = 255  # bytes, on every usual file system


def folder_of(name: str) -> str:
    """Return the name of the directory that holds the versions of an adapter.

    An adapter may have any name, such as ``acme/sql`` or ``..``. Letters, digits and ``_.-~`` stay as they are, with the
    exception of a dot at the beginning; everything else is escaped as in a URL, so that no two names share a directory
    and none leaves the store.

    :raises VllmError: ``invalid_request`` when the name cannot be the name of a directory.
    """
    folder = quote(name, safe="", errors="surrogatepass")
    if folder.startswith("."):
        folder = "%2E" + folder[1:]
    if not 0 < len(folder) <= _LONGEST_NAME:
        raise invalid_option(
            "name",
            f"has {len(folder)} characters as the name of a directory, which can have from 1 to {_LONGEST_NAME}",
            "give the adapter another one",
        )
    return folder


def version_directory(store: str, name: str, digest: str) -> str:
    """Return where the artifact of this digest has its place.

    :raises VllmError: as ``folder_of()``.
    """
    return os.path.join(store, folder_of(name), _version_of(digest))


def store_error(path: str, what: str, error: OSError) -> VllmError:
    """Return the error for a file or directory of the store that cannot be written or removed."""
    hint = "see that the disk has room, that the user of the task may write there, and whether the task needs become"
    return VllmError("store_error", f"{path} cannot be {what}: {error.strerror}", hint, detail=str(error))


@contextlib.contextmanager
def locked(home: str) -> Iterator[None]:
    """Keep two runs apart that change the same adapter. The lock goes with its process, however that ends."""
    # A file, not the directory: NFS locks only what was opened for writing.
    with open(os.path.join(home, _LOCK), "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remove_unfinished(home: str) -> None:
    """Remove what killed runs have left behind. The caller holds the lock."""
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
    """Return the digest of the version that a digest or the checksum of an archive stands for, or None where the store has
    no directory for it. Whoever uses that directory compares its digest.

    :raises VllmError: as ``folder_of()``.
    """
    home = os.path.join(store, folder_of(name))
    for digest in (checksum, _remembered(home).get(checksum)):
        if digest and os.path.lexists(version_directory(store, name, digest)):
            return digest
    return None


def remember_checksum(home: str, checksum: str, digest: str) -> None:
    """Remember that an archive of this checksum holds the artifact of this digest. The caller holds the lock.

    Where that cannot be written, the version is there all the same, and the next run reads the archive again.
    """
    before = _remembered(home)
    present = versions(home)
    index = {known: its for known, its in before.items() if _version_of(its) in present}
    index[checksum] = digest
    if index == before:
        return
    with contextlib.suppress(OSError):
        beside = tempfile.mkdtemp(prefix=UNFINISHED, dir=home)
        try:
            file = os.path.join(beside, _INDEX)
            with open(file, "w", encoding="utf-8") as stream:
                json.dump(index, stream, indent=1, sort_keys=True)
                stream.flush()
                os.fsync(stream.fileno())
            # For audits by somebody who may read the versions and not write them.
            os.chmod(file, 0o644)
            os.rename(file, os.path.join(home, _INDEX))
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _remembered(home: str) -> dict:
    """Return digests by checksum. A damaged index has no entries: it only saves reading an archive."""
    try:
        descriptor = os.open(os.path.join(home, _INDEX), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
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

    :param roots: all paths that servers list, as they see them. Whatever directory the store is mounted at there, a
        path that ends in an adapter's directory and a version, or leads through them, is one of that version.
    """
    used = {step for root in roots for step in zip(_parts(root), _parts(root)[1:])}
    unused = [version for version in versions(home) if (os.path.basename(home), version) not in used]
    newest_first = sorted(unused, key=lambda version: os.stat(os.path.join(home, version)).st_mtime_ns, reverse=True)
    return newest_first[keep:][::-1]


def remove_version(home: str, version: str) -> None:
    """Remove a version at once, so that a run that is killed meanwhile leaves no half of it under its name. The caller
    holds the lock."""
    beside = tempfile.mkdtemp(prefix=UNFINISHED, dir=home)
    os.rename(os.path.join(home, version), os.path.join(beside, version))
    shutil.rmtree(beside)


def _parts(path: str) -> list[str]:
    return posixpath.normpath(path).split("/")


def _version_of(digest: str) -> str:
    return digest.partition(":")[2][:_DIGITS]
