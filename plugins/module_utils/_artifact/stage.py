# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes an artifact to its directory in the store of a node: all of it, or nothing."""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
import tempfile
from collections.abc import Callable

from .._errors import VllmError
from .digest import directory_digest
from .files import ArtifactError, Listing, chunks
from .inspection import open_artifact
from .store import UNFINISHED, locked, remove_unfinished, store_errors

_MAX_EVIDENCE = 1 << 23  # bytes of a signature or a model card
_CHANGED_HINT = "find out who changed it, and make sure that no server lists it as root before you remove it"


def is_staged(target: str, digest: str, read: Callable[[str], str | None] = directory_digest) -> bool:
    """Return whether the artifact is in its directory.

    :param read: returns the digest of a directory, or None if it cannot be read.
    :raises VllmError: ``store_error`` if the directory holds something else. It is never overwritten, because a server may
        be reading it.
    """
    if not os.path.lexists(target):
        return False
    found = read(target)
    if found != digest:
        now = f"its digest is now {found}" if found else "some of its files can no longer be read"
        raise VllmError("store_error", f"{target} was changed after it was staged, {now}", _CHANGED_HINT)
    return True


def confirm_staged(target: str, digest: str, read: Callable[[str], str | None] = directory_digest) -> bool:
    """Return the result of ``is_staged()``. It also removes leftovers of killed runs, and makes the version the newest.

    :raises VllmError: ``store_error`` if the directory holds something else, or nothing can be written beside it.
    """
    home = os.path.dirname(target)
    if not os.path.isdir(home):
        return False
    with locked(home):
        return _confirm_staged(home, target, digest, read)


def stage(source: str, target: str, digest: str, finish: Callable[[str], object], max_size: int | None = None) -> bool:
    """Copy or unpack an artifact beside its directory, make sure that it is complete, and rename it.

    :param source: directory or archive.
    :param target: a path of ``version_directory()``. It is not touched if the artifact is there.
    :param digest: of the artifact.
    :param finish: sets owner and mode of a new directory and of everything in it.
    :param max_size: the most bytes that all files may have together; None for any.
    :returns: whether anything was written. If the artifact is there, that can be its signature.
    :raises VllmError: nothing of the artifact is left then.
    """
    home = os.path.dirname(target)
    make_home(home, finish)
    with locked(home):
        if _confirm_staged(home, target, digest, directory_digest):
            return _copy_new_evidence(source, home, target, finish)
        beside = tempfile.mkdtemp(prefix=UNFINISHED, dir=home)
        try:
            _copy(source, beside, max_size)
            if directory_digest(beside) != digest:
                raise ArtifactError(f"{source} changed while it was read: try again.")
            finish(beside)
            os.rename(beside, target)
            _sync(home)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    return True


def make_home(home: str, finish: Callable[[str], object]) -> None:
    """Make the directory of an adapter and those above it.

    :param finish: sets owner and mode of each new one.
    :raises VllmError: ``store_error`` if that is not possible.
    """
    with store_errors(home):
        for made in _make_directories(home):
            finish(made)


def _confirm_staged(home: str, target: str, digest: str, read: Callable[[str], str | None]) -> bool:
    remove_unfinished(home)
    staged = is_staged(target, digest, read)
    if staged:
        # The newest versions are kept, so that no other run removes this one now.
        with contextlib.suppress(PermissionError):
            os.utime(target)
    return staged


def _make_directories(path: str) -> list[str]:
    """Make the directory and its parents; return those that were missing."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for one in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(one)
    return missing


def _copy(source: str, beside: str, max_size: int | None) -> None:
    with open_artifact(source, max_size) as listing:
        listing.require_files()
        for name in (*listing.files, *_evidence(listing)):
            _copy_file(listing, name, os.path.join(os.fsencode(beside), name))
    _sync(beside)


def _evidence(listing: Listing) -> list[bytes]:
    """Return the files that let anybody verify the version again. vLLM does not read them."""
    return [name for name, size in listing.evidence.items() if size <= _MAX_EVIDENCE]


def _copy_new_evidence(source: str, home: str, target: str, finish: Callable[[str], object]) -> bool:
    """Put the signature beside a version that was staged without it; return whether that changes anything."""
    changed = False
    with open_artifact(source) as listing, contextlib.ExitStack() as opened:
        names = _evidence(listing)
        beside = opened.enter_context(tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=home)) if names else ""
        for name in names:
            copy, place = (os.path.join(os.fsencode(folder), name) for folder in (beside, target))
            _copy_file(listing, name, copy)
            if not os.path.isfile(place) or not filecmp.cmp(copy, place, shallow=False):
                with store_errors(os.fsdecode(place)):
                    os.rename(copy, place)
                changed = True
    if changed:
        finish(target)
    return changed


def _copy_file(listing: Listing, name: bytes, path: bytes) -> None:
    limit = {**listing.evidence, **listing.files}[name]
    size = 0
    with open(path, "xb") as copy, listing.open(name) as stream:
        for chunk in chunks(stream):
            size += len(chunk)
            if size > limit:
                raise ArtifactError("The artifact is larger than it claims to be: copy it again.")
            # The context of `listing` reports only errors of reading.
            with store_errors(os.fsdecode(path)):
                copy.write(chunk)
        with store_errors(os.fsdecode(path)):
            copy.flush()
            os.fsync(copy.fileno())


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
