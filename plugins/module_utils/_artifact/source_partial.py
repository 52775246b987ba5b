# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that a download fills. A killed download leaves it, and the next one continues it.

Nothing takes it for an artifact: it has another name until all of its bytes have the wanted digest.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import IO, TYPE_CHECKING

from .._errors import VllmError
from .._http.download import Reply
from .files import ArtifactError, chunks
from .store import store_errors

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable

    #: Tells how many bytes are there, and how many there will be, if that is known.
    Progress = Callable[[int, int | None], None]
    #: Opens an answer from a byte on.
    Opener = Callable[[int], contextlib.AbstractContextManager[Reply]]

#: A broken download is continued at once if it brought as many bytes.
_STEP = 1 << 20
_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


def fill(
    path: str, open_at: Opener, limit: int, wanted: str | None, what: str, too_large: str, progress: Progress
) -> None:
    """Download a file, or the rest of it. The caller holds a lock.

    :param path: of the file. It is complete when this returns.
    :param open_at: opens the answer from a byte on. The server may answer with the whole file.
    :param limit: the most bytes that the file may have.
    :param wanted: the digest of the file; None if the caller checks the content.
    :param what: names the file in sentences.
    :param too_large: the sentence for a file with more bytes.
    :raises VllmError: ``artifact_invalid`` if the file is too large or has another digest, and nothing of it is left then;
        otherwise its beginning is left.
    """
    part = path + ".part"
    if os.path.exists(path):
        # A killed run can have left it on a disk that lost power.
        os.replace(path, part)
    with store_errors(part), open(part, "ab+") as file:
        found = _Found(file)
        try:
            while found.digest != wanted:
                is_continued = found.is_begun
                _receive(found, open_at, limit, what, too_large, progress)
                if wanted in (None, found.digest):
                    break
                digest = found.digest
                found.restart()
                # The beginning can have been of another file, or damaged.
                if not is_continued:
                    problem = f"The digest of {what} is {digest}, not {wanted}: the source has other bytes, so use another one."
                    raise ArtifactError(problem)
        except VllmError as error:
            if isinstance(error, ArtifactError) or not found.size:
                os.unlink(part)
            raise
        file.flush()
        os.fsync(file.fileno())
    with store_errors(path):
        os.rename(part, path)


class _Found:
    """What has arrived.

    :ivar is_begun: whether the first bytes are of an earlier download.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._content = hashlib.sha256()
        self.size = 0
        file.seek(0)
        for piece in chunks(file):
            self._count(piece)
        self.is_begun = self.size > 0

    @property
    def digest(self) -> str:
        return "sha256:" + self._content.hexdigest()

    def add(self, piece: bytes) -> None:
        self._count(piece)
        self._file.write(piece)

    def restart(self) -> None:
        self._file.truncate(0)
        self._content, self.size, self.is_begun = hashlib.sha256(), 0, False

    def _count(self, piece: bytes) -> None:
        self.size += len(piece)
        self._content.update(piece)


def _receive(found: _Found, open_at: Opener, limit: int, what: str, too_large: str, progress: Progress) -> None:
    """Add to the file until it is complete. A broken connection is continued as long as it brings something."""
    while True:
        began = found.size
        try:
            with open_at(began) as reply:
                if began and not _continues(reply, began):
                    found.restart()
                    began = 0
                    if reply.status != 200:
                        continue
                elif reply.status != (206 if began else 200):
                    problem = f"the server answered {reply.status} to a request for the whole file"
                    raise VllmError("download_failed", problem, "use another source", f"download {what}", reply.url)
                _append(found, reply, limit, too_large, progress)
                return
        except VllmError as error:
            if error.code != "download_failed" or found.size - began < _STEP:
                raise


def _continues(reply: Reply, size: int) -> bool:
    """Return whether the body goes on where the file ends."""
    begin = _RANGE.match(reply.header("Content-Range"))
    return reply.status == 206 and begin is not None and int(begin.group(1)) == size


def _append(found: _Found, reply: Reply, limit: int, too_large: str, progress: Progress) -> None:
    length = reply.header("Content-Length")
    total = found.size + int(length) if length.isdecimal() and len(length) < 20 else None
    if total is not None and total > limit:
        raise ArtifactError(too_large)
    for piece in reply.pieces():
        if found.size + len(piece) > limit:
            raise ArtifactError(too_large)
        found.add(piece)
        progress(found.size, total)
