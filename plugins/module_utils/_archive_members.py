# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tar and zip archives say they hold, member by member, in bounded memory however they lie."""

from __future__ import annotations

import contextlib
import functools
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from ._artifact_files import ArtifactError
from ._artifact_text import shown

#: Bytes of a header that extends another, which tarfile reads into memory as large as it claims to be.
_MAX_HEADER = 1 << 13
#: Bytes of a zip archive's table of contents, which zipfile reads into memory: 400 for each file that may be there.
_MAX_TABLE = 1 << 22
#: Bytes behind the end of a tar archive: a record, which tar fills up, is seldom larger than 10 kB.
_MAX_PADDING = 1 << 20
_PACK_FILES = "pack the files themselves"


class Member(NamedTuple):
    """A file of an archive, or a directory.

    :ivar size: bytes, as the archive claims. Reading can show otherwise.
    :ivar open: returns a stream of its bytes; None for a directory.
    """

    name: str
    size: int
    open: Callable[[], IO[bytes]] | None


def tar_members(path: str, opened: contextlib.ExitStack) -> Iterator[Member]:
    """Yield the members of a tar archive, compressed or not. It is closed with ``opened``.

    :raises ArtifactError: when a member is neither file nor directory, and at the end when it was cut off.
    """
    archive = opened.enter_context(tarfile.open(path, "r:*", tarinfo=_BoundedTarInfo))  # noqa: SIM115
    for entry in archive:
        if not (entry.isdir() or entry.isreg()):
            _refuse(entry.name, "a link" if entry.issym() or entry.islnk() else "neither a file nor a directory")
        if entry.size < 0:
            raise tarfile.ReadError("negative size")
        yield Member(entry.name, entry.size, None if entry.isdir() else functools.partial(archive.extractfile, entry))
    _read_to_the_end(archive)


def _read_to_the_end(archive: tarfile.TarFile) -> None:
    """Find what tarfile does not mind: an archive without its end, and a wrong sum behind the last member."""
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("no end")
    if len(archive.fileobj.read(_MAX_PADDING)) == _MAX_PADDING:
        raise ArtifactError("The archive goes on behind its end: pack it anew.")


class _BoundedTarInfo(tarfile.TarInfo):
    """A header of a tar archive that is not believed about the size of what extends it."""

    _EXTENSIONS = (
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    )

    def _proc_member(self, tar):  # pylint: disable=arguments-renamed  # the name of a module that it needs
        if self.size < 0:
            raise tarfile.ReadError("negative size")
        if self.type in self._EXTENSIONS and self.size > _MAX_HEADER:
            raise ArtifactError("The archive has a header that is larger than any name: pack it anew.")
        return super()._proc_member(tar)

    def _proc_sparse(self, *_unused):
        raise ArtifactError("The archive holds a sparse file: pack it without --sparse.")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _proc_sparse


def zip_members(path: str, opened: contextlib.ExitStack) -> Iterator[Member]:
    """Yield the members of a zip archive. It is closed with ``opened``.

    :raises ArtifactError: when a member is neither file nor directory, or encrypted.
    """
    archive = opened.enter_context(zipfile.ZipFile(opened.enter_context(_BoundedReader(io.FileIO(path)))))
    for entry in archive.infolist():
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            _refuse(entry.filename, "a link" if kind == stat.S_IFLNK else "neither a file nor a directory")
        if entry.flag_bits & 1:
            _refuse(entry.filename, "encrypted", "pack it without a password")
        is_directory = kind == stat.S_IFDIR or entry.is_dir()
        yield Member(entry.filename, entry.file_size, None if is_directory else functools.partial(archive.open, entry))


class _BoundedReader(io.BufferedReader):
    """Does not read a table of contents that is larger than any."""

    def read(self, size=-1):
        if size is not None and size > _MAX_TABLE:
            raise ArtifactError("The archive has too large a table of contents to be one of an adapter.")
        return super().read(size)


def _refuse(name, what, advice=_PACK_FILES):
    raise ArtifactError(f"The archive holds {shown(name)}, which is {what}: {advice}.")
