# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing an artifact to its place in the store of a node: complete under its digest, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator

from .._errors import VllmError
from .files import ArtifactError, Listing, chunks, directory_digest
from .inspection import open_artifact
from .store import UNFINISHED, locked, remember_checksum, remove_unfinished, store_error

_CHANGED_HINT = "find out by whom, and see that no server lists it as root before you remove it"


def is_staged(target: str, digest: str, read: Callable[[str], str | None] = directory_digest) -> bool:
    """Return whether the artifact is in its place.

    :param read: returns the digest of a directory, None where it cannot be read.
    :raises VllmError: ``store_error`` when something else is there. It is never overwritten, for a server may be reading
        it.
    """
    if not os.path.lexists(target):
        return False
    found = read(target)
    if found != digest:
        now = f"its digest is {found} now" if found else "not all its files can be read now"
        raise VllmError("store_error", f"{target} was changed after it was staged, {now}", _CHANGED_HINT)
    return True


def is_still_staged(target: str, digest: str, read: Callable[[str], str | None] = directory_digest) -> bool:
    """Return what ``is_staged()`` does, remove what killed runs have left there, and have it count as staged anew.

    :raises VllmError: ``store_error`` when something else is there, or nothing can be written beside it.
    """
    home = os.path.dirname(target)
    if not os.path.isdir(home):
        return False
    with _failures_told(home), locked(home):
        return _is_still_staged(home, target, digest, read)


def remember(target: str, checksum: str, digest: str) -> None:
    """Remember that an archive of this checksum holds the artifact that is staged there.

    :raises VllmError: ``store_error`` when nothing can be written beside it.
    """
    home = os.path.dirname(target)
    with _failures_told(home), locked(home):
        remember_checksum(home, checksum, digest)


def stage(source: str, target: str, digest: str, finish: Callable[[str], object], max_size: int | None = None) -> bool:
    """Copy or unpack an artifact beside its place, make sure that it is complete, and rename it into its place.

    :param source: directory or archive.
    :param target: a path of ``version_directory()``. It is not touched if the artifact is there.
    :param digest: of the artifact.
    :param finish: sets owner and mode of a directory that was made here, and of all that is in it.
    :param max_size: bytes that all files together may have; None for any.
    :returns: whether it had to be brought there.
    :raises VllmError: and nothing of it is left.
    """
    home = os.path.dirname(target)
    with _failures_told(home):
        for made in _make_directories(home):
            finish(made)
        with locked(home):
            if _is_still_staged(home, target, digest):
                return False
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


def _is_still_staged(home: str, target: str, digest: str, read: Callable[[str], str | None] = directory_digest) -> bool:
    remove_unfinished(home)
    staged = is_staged(target, digest, read)
    if staged:
        # The newest versions are kept, so that no other run removes at this moment what is declared anew.
        with contextlib.suppress(PermissionError):
            os.utime(target)
    return staged


@contextlib.contextmanager
def _failures_told(home: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise store_error(error.filename or home, "written", error) from None


def _make_directories(path: str) -> list[str]:
    """Make the directory and those that it is in; return the ones that were not there."""
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
        if listing.refused:
            raise ArtifactError(" ".join(listing.refused.values()))
        for name in listing.files:
            _copy_file(listing, name, os.path.join(os.fsencode(beside), name))
    _sync(beside)


def _copy_file(listing: Listing, name: bytes, path: bytes) -> None:
    size = 0
    with open(path, "xb") as copy, listing.open(name) as stream:
        for chunk in chunks(stream):
            size += len(chunk)
            if size > listing.files[name]:
                raise ArtifactError("The artifact is larger than it claims to be: bring it again.")
            # What fails here is not the reading, which the context would report.
            with _failures_told(os.fsdecode(path)):
                copy.write(chunk)
        with _failures_told(os.fsdecode(path)):
            copy.flush()
            os.fsync(copy.fileno())


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
