# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an archive, as those of a directory are listed. Nothing is unpacked here, and no member is believed."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from .files import CONFIG, MAX_ENTRIES, PICKLES, WEIGHTS, ArtifactError, Listing, chunks, names_that_vllm_reads, shown

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


try:
    from lzma import LZMAError
except ImportError:  # Python was built without it, and tarfile says so.
    LZMAError = EOFError

_MAX_NAME = 1000  # bytes
_ODD_NAME = "has a name with a backslash, a control character or bytes that are not UTF-8: rename it"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
#: What Python's libraries raise over damaged archives, found by fuzzing; the documentation names the first two.
_DAMAGES = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)


@contextlib.contextmanager
def open_archive(path: str, max_size: int | None = None) -> Iterator[Listing]:
    """Yield what vLLM reads of the one adapter in a tar or zip archive, in whatever directory it lies there.

    :param max_size: bytes that all members together may have; None for any.
    :raises ArtifactError: one sentence, when it is damaged, or holds two adapters or what no archive of one holds.
    """
    with contextlib.ExitStack() as opened:
        with _damage_told(path):
            with open(path, "rb") as stream:
                is_zip = stream.read(4) in _ZIP
            members = (zip_members if is_zip else tar_members)(path, opened)
            files = _below_adapter(_checked(members, max_size))
        read = names_that_vllm_reads(files)

        @contextlib.contextmanager
        def open_member(name: bytes) -> Iterator[IO[bytes]]:
            with _damage_told(path), files[name].open() as content:
                yield content

        # In the order of the archive, which is the one that a compressed one can be read in without going back.
        sizes = {name: member.size for name, member in files.items() if name in read}
        yield Listing(sizes, {}, set(files).difference(read), open_member)


def archive_checksum(path: str) -> str:
    """Return what ``sha256sum`` prints for the archive itself, after ``sha256:``.

    :raises ArtifactError: when it cannot be read.
    """
    content = hashlib.sha256()
    with _damage_told(path), open(path, "rb", buffering=0) as stream:
        for chunk in chunks(stream):
            content.update(chunk)
    return "sha256:" + content.hexdigest()


@contextlib.contextmanager
def _damage_told(path: str) -> Iterator[None]:
    try:
        yield
    except PermissionError:
        raise ArtifactError(f"{path} may not be read by this user.") from None
    except NotImplementedError:
        raise ArtifactError(f"{path} is packed by a method that Python does not know: pack it as tar.gz.") from None
    except _DAMAGES:
        raise ArtifactError(
            f"{path} is damaged, or is neither a directory nor a tar or zip archive: bring it again."
        ) from None


def _checked(members: Iterator[Member], max_size: int | None) -> dict[bytes, Member]:
    """Return the files. The limits are held while the archive is read, so that a bomb is left before it goes off."""
    files: dict[bytes, Member] = {}
    folders: set[bytes] = set()
    total = 0
    for count, member in enumerate(members):
        if count >= MAX_ENTRIES:
            raise ArtifactError(f"The archive holds more than {MAX_ENTRIES} entries, so it is not one of an adapter.")
        name = _relative(member.name)
        if member.open is None:
            folders.add(name)
            continue
        if not name:
            raise ArtifactError("The archive holds a file without a name: pack it anew.")
        if name in files:
            raise ArtifactError(f"The archive holds {shown(member.name)} more than once: pack it anew.")
        total += member.size
        if max_size is not None and total > max_size:
            raise ArtifactError(f"The archive holds more than {max_size} bytes: raise max_size if that is right.")
        if not _is_of_finder(name):
            files[name] = member
    _refuse_files_that_are_folders(files, folders)
    return files


def _relative(text: str) -> bytes:
    """Return the member's name without what says nothing, such as a leading ``./``."""
    name = text.encode("utf-8", "surrogateescape")
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    problem = "" if text.isprintable() and "\\" not in text else _ODD_NAME
    if name.startswith(b"/"):
        problem = "has an absolute name: pack it with relative names"
    elif b".." in parts:
        problem = "leaves the archive by '..': pack it with plain names"
    elif len(name) > _MAX_NAME:
        problem = f"has a name of more than {_MAX_NAME} bytes: give it a short one"
    if problem:
        raise ArtifactError(f"The archive holds {shown(text)}, which {problem}.")
    return b"/".join(parts)


def _refuse_files_that_are_folders(files: dict[bytes, Member], folders: set[bytes]) -> None:
    # Sorted by their parts, a file stands right before what claims to lie in it.
    paths = sorted(name.split(b"/") for name in folders.union(files))
    clashes = [one for one, other in zip(paths, paths[1:]) if other[: len(one)] == one and b"/".join(one) in files]
    for name in [b"/".join(parts) for parts in clashes] + sorted(folders.intersection(files)):
        raise ArtifactError(f"The archive holds {shown(name.decode())} as a file and as a directory: pack it anew.")


def _is_of_finder(name: bytes) -> bool:
    """Whether macOS added this file to those that somebody packed."""
    parts = name.split(b"/")
    return b"__MACOSX" in parts or parts[-1].startswith(b"._") or parts[-1] == b".DS_Store"


def _below_adapter(files: dict[bytes, Member]) -> dict[bytes, Member]:
    """Return the files by their names from the directory of the adapter on."""
    folders = [name[: -len(CONFIG)] for name in files if os.path.basename(name) == CONFIG]
    adapters = [folder for folder in folders if any(folder + name in files for name in (WEIGHTS, *PICKLES))]
    tops = {name.partition(b"/")[0] + b"/" for name in files}
    if adapters:
        # A trainer leaves its checkpoints in the directory of the adapter, and they are not what it is about.
        top = min(adapters, key=len)
        strangers = [folder for folder in adapters if not folder.startswith(top)]
        if strangers:
            raise ArtifactError(
                f"The archive holds several adapters, in {shown(top.decode())} and {shown(strangers[0].decode())} for "
                "example: pack one of them alone."
            )
    elif len(tops) == 1 and not files.keys() & {one[:-1] for one in tops}:
        (top,) = tops
    else:
        top = b""
    return {name[len(top) :] if name.startswith(top) else b"../" + name: one for name, one in files.items()}
