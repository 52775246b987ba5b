# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store of a node, ``<store>/<name>/<first digits of the digest>``, and what may be removed from it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import posixpath
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from ._artifact_files import ArtifactError

#: Begins the names of directories that are not complete yet, or no longer.
UNFINISHED = ".staging-"
_DIGITS = 12
_LOCK = ".lock"
_VERSION = re.compile(r"[0-9a-f]{%d}" % _DIGITS)
_LONGEST_NAME = 255  # bytes, on every usual file system


def folder_of(name: str) -> str:
    """Return the name of the directory that holds the versions of an adapter.

    An adapter may have any name, such as ``acme/sql`` or ``..``. Letters, digits and ``_.-~`` stay as they are, with the
    exception of a dot at the beginning; everything else is escaped as in a URL, so that no two names share a directory
    and none leaves the store.

    :raises ArtifactError: when the name cannot be the name of a directory.
    """
    folder = quote(name, safe="", errors="surrogatepass")
    if folder.startswith("."):
        folder = "%2E" + folder[1:]
    if not 0 < len(folder) <= _LONGEST_NAME:
        raise ArtifactError(
            f"The name of an adapter must have from 1 to {_LONGEST_NAME} characters as the name of a directory, where "
            f"it has {len(folder)}: give it another one."
        )
    return folder


def version_directory(store: str, name: str, digest: str) -> str:
    """Return where the artifact of this digest has its place.

    :raises ArtifactError: when the name cannot be the name of a directory.
    """
    return os.path.join(store, folder_of(name), digest.partition(":")[2][:_DIGITS])


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
