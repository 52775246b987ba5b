# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an artifact: what lies in the directory, opened with care, and their digest."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from ._artifact_text import shown
from ._errors import VllmError

MAX_ENTRIES = 10_000
"""Files and directories that an artifact may hold; whoever passes ``/`` by mistake must not have the host read."""

_CHUNK = 1 << 20  # bytes


class ArtifactError(VllmError):
    """An artifact cannot be read or served; the text is one sentence for the operator, and says what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__("artifact_invalid", sentence, hint="correct what the message names, or bring another artifact")


class Listing(NamedTuple):
    """What lies in an artifact, be it a directory or an archive.

    :ivar files: sizes in bytes by relative name, and names are bytes.
    :ivar refused: one sentence for each other entry that is not a directory, by relative name.
    :ivar open: opens a file by its relative name for bytes, as a context that raises ``ArtifactError``.
    """

    files: dict
    refused: dict
    open: Callable[[bytes], contextlib.AbstractContextManager[IO[bytes]]]


def list_files(path: str) -> Listing:
    """Return what lies in a directory and below.

    :raises ArtifactError: when it cannot be listed.
    """
    root = os.path.realpath(os.fsencode(path))
    _require_directory(root, path)
    listing = Listing({}, {}, functools.partial(_open_file, path))
    folders, count = [b""], 0
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(os.path.join(root, folder)) as entries:
                for entry in entries:
                    count += 1
                    if count > MAX_ENTRIES:
                        raise ArtifactError(
                            f"{path} holds more than {MAX_ENTRIES} files, so it is not the directory of an adapter."
                        )
                    name = os.path.join(folder, entry.name)
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(name)
                    else:
                        _add(listing, root, name)
        except OSError as error:
            where = f"{shown(_text(folder))} in {path}" if folder else path
            raise ArtifactError(f"{where} cannot be listed: {error.strerror}.") from None
    return listing


def _require_directory(root, path):
    try:
        is_directory = stat.S_ISDIR(os.stat(root).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        raise ArtifactError(f"There is no directory or archive {path} on this host.") from None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}.") from None
    if not is_directory:
        raise ArtifactError(f"{path} is not a directory: give the one that holds adapter_config.json.")


def _text(name):
    return name.decode("utf-8", "surrogateescape")


def _add(listing, root, name):
    problem = naming_problem(name) or _link_problem(root, name)
    if not problem:
        # Links that stay inside are followed: a copy that resolves them is the same artifact.
        status = os.stat(os.path.join(root, name))
        if stat.S_ISREG(status.st_mode):
            listing.files[name] = status.st_size
            return
        problem = "is neither a file nor a directory: remove it"
    listing.refused[name] = f"{shown(_text(name))} {problem}."


def naming_problem(name: bytes) -> str:
    """Return what is wrong with a name, as a clause, or nothing."""
    text = _text(name)
    if text.isprintable() and "\\" not in text:
        return ""
    # Each line of the manifest is to name one file and nothing else.
    return "has a name with a backslash, a control character or bytes that are not UTF-8: rename it"


def _link_problem(root, name):
    path = os.path.join(root, name)
    if not os.path.islink(path):
        return ""
    target = os.readlink(path)
    lexical = os.path.normpath(os.path.join(os.path.dirname(name), target))
    # An absolute link, and one that leaves and comes back, break when the directory is renamed or mounted elsewhere.
    leaves = os.path.isabs(target) or lexical.split(b"/")[0] == b".."
    if leaves or not os.path.realpath(path).startswith(os.path.join(root, b"")):
        return f"is a symbolic link that leaves the directory, to {shown(_text(target))}: put the file itself there"
    if not os.path.exists(path):
        return f"is a symbolic link to {shown(_text(target))}, which does not exist: put the file itself there"
    if os.path.isdir(path):
        return "is a symbolic link to a directory: put the files themselves there"
    return ""


@contextlib.contextmanager
def _open_file(path, name):
    try:
        # Without O_NONBLOCK, a pipe that took the place of the file since it was listed would block for ever.
        descriptor = os.open(os.path.join(os.fsencode(path), name), os.O_RDONLY | os.O_NONBLOCK)
        with open(descriptor, "rb", buffering=0) as stream:
            yield stream
    except OSError as error:
        raise ArtifactError(f"{shown(_text(name))} cannot be read: {error.strerror}.") from None


def digest_files(listing: Listing) -> str:
    """Return the digest of the listed files, ``sha256:`` and 64 hexadecimal digits.

    It is the SHA-256 of what ``sha256sum`` prints for all files, by relative name, in the order of the names' bytes.

    :raises ArtifactError: when a file cannot be read.
    """
    # Read in the order of the listing, which is the one that a compressed archive can be read in without going back.
    hashes = {name: _file_hash(listing, name) for name in listing.files}
    manifest = hashlib.sha256()
    for name in sorted(hashes):
        manifest.update(hashes[name].encode() + b"  " + name + b"\n")
    return "sha256:" + manifest.hexdigest()


def _file_hash(listing, name):
    content, count = hashlib.sha256(), 0
    with listing.open(name) as stream:
        for chunk in chunks(stream):
            count += len(chunk)
            content.update(chunk)
    if count != listing.files[name]:
        raise ArtifactError(f"{shown(_text(name))} changed while it was read: try again.")
    return content.hexdigest()


def chunks(stream: IO[bytes]) -> Iterator[memoryview]:
    """Yield the bytes of a stream in pieces, each valid until the next."""
    buffer = memoryview(bytearray(_CHUNK))
    for length in iter(lambda: stream.readinto(buffer), 0):
        yield buffer[:length]


def directory_digest(path: str) -> str:
    r"""Return the digest of a directory, as ``digest_files()`` does of its files.

    On any Linux host, ``cd PATH && find -L . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum -- |
    sha256sum`` prints the same digits.

    :raises ArtifactError: when an entry is not a file of the artifact, or cannot be read.
    """
    listing = list_files(path)
    if listing.refused:
        raise ArtifactError(" ".join(listing.refused.values()))
    return digest_files(listing)
