# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists the files of an archive like those of a directory. It unpacks nothing and trusts no member."""

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
from typing import IO, NamedTuple, NoReturn, cast

from .files import (
    CONFIG,
    MAX_ENTRIES,
    PICKLES,
    WEIGHTS,
    ArtifactError,
    Listing,
    chunks,
    evidence_in,
    names_that_vllm_reads,
    shown,
)

#: Bytes of a header that extends another. tarfile reads the whole header into memory.
_MAX_HEADER = 1 << 13
#: Bytes of a zip archive's table of contents, which zipfile reads into memory: 400 for each of MAX_ENTRIES.
_MAX_TABLE = 1 << 22
#: Bytes after the end of a tar archive. tar fills up its last record, which is seldom larger than 10 kB.
_MAX_PADDING = 1 << 20
_IS_LINK, _IS_NEITHER = "is a link", "is neither a file nor a directory"


class Member(NamedTuple):
    """A file or directory of an archive.

    :ivar size: bytes, as the archive claims. The content can have another size.
    :ivar open: returns a stream of the bytes of a file.
    """

    name: str
    size: int
    is_directory: bool
    open: Callable[[], IO[bytes]]


def tar_members(path: str, opened: contextlib.ExitStack) -> Iterator[Member]:
    """Yield the members of a tar archive, compressed or not. ``opened`` closes it.

    :raises ArtifactError: if a member is neither a file nor a directory, and at the end if the archive was cut off.
    """
    # `opened` closes it.
    archive = opened.enter_context(tarfile.open(path, "r:*", tarinfo=_BoundedTarInfo))  # noqa: SIM115
    for entry in archive:
        if not (entry.isdir() or entry.isreg()):
            _refuse(entry.name, _IS_LINK if entry.issym() or entry.islnk() else _IS_NEITHER)
        if entry.size < 0:
            raise tarfile.ReadError("negative size")
        yield Member(entry.name, entry.size, entry.isdir(), functools.partial(tarfile.ExFileObject, archive, entry))
    _read_to_the_end(archive)


def _read_to_the_end(archive: tarfile.TarFile) -> None:
    """Find faults that tarfile ignores: an archive without its end, and a wrong checksum after the last member."""
    stream = cast("IO[bytes]", archive.fileobj)
    stream.seek(archive.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("no end")
    if len(stream.read(_MAX_PADDING)) == _MAX_PADDING:
        raise ArtifactError("The archive continues after its end: pack it again.")


class _BoundedTarInfo(tarfile.TarInfo):
    """A header of a tar archive that may not claim any size for a header that extends it."""

    _EXTENSIONS = (
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    )

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:  # pylint: disable=arguments-renamed  # `tarfile` is the module
        if self.size < 0:
            raise tarfile.ReadError("negative size")
        if self.type in self._EXTENSIONS and self.size > _MAX_HEADER:
            raise ArtifactError("The archive has a header that is larger than any name: pack it again.")
        # typeshed does not have this method of tarfile.
        return super()._proc_member(tar)  # type: ignore[misc]

    def _proc_sparse(self, *_unused: object) -> NoReturn:
        raise ArtifactError("The archive holds a sparse file: pack it without --sparse.")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _proc_sparse


def zip_members(path: str, opened: contextlib.ExitStack) -> Iterator[Member]:
    """Yield the members of a zip archive. ``opened`` closes it.

    :raises ArtifactError: if a member is neither a file nor a directory, or is encrypted.
    """
    archive = opened.enter_context(zipfile.ZipFile(opened.enter_context(_BoundedReader(io.FileIO(path)))))
    for entry in archive.infolist():
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            _refuse(entry.filename, _IS_LINK if kind == stat.S_IFLNK else _IS_NEITHER)
        if entry.flag_bits & 1:
            _refuse(entry.filename, "is encrypted", "pack it without a password")
        is_directory = kind == stat.S_IFDIR or entry.is_dir()
        yield Member(entry.filename, entry.file_size, is_directory, functools.partial(archive.open, entry))


class _BoundedReader(io.BufferedReader):
    """Refuses to read a table of contents that is larger than any of an adapter."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > _MAX_TABLE:
            raise ArtifactError("The archive has too large a table of contents for an adapter: pack only the adapter.")
        return super().read(size)


def _refuse(name: str, fault: str, advice: str = "pack the files themselves") -> NoReturn:
    raise ArtifactError(f"The archive holds {shown(name)}, which {fault}: {advice}.")


_MAX_NAME = 1000  # bytes
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
#: Errors that Python's libraries raise for damaged archives, found by fuzzing. The documentation names the first two.
_DAMAGES: tuple[type[Exception], ...] = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError
)  # fmt: skip
# Python can be built without lzma. tarfile then refuses such an archive.
with contextlib.suppress(ImportError):
    import lzma

    _DAMAGES += (lzma.LZMAError,)


@contextlib.contextmanager
def open_archive(path: str, max_size: int | None = None) -> Iterator[Listing]:
    """Yield the files that vLLM reads of the adapter in a tar or zip archive. The adapter may lie in a directory.

    :param max_size: the most bytes that all members may have together; None for any.
    :raises ArtifactError: if the archive is damaged, or holds several adapters or a member that is refused.
    """
    with contextlib.ExitStack() as opened:
        with explain_damage(path):
            files = vllm_files(archive_members(path, opened), max_size)
        yield listing_of(path, files)


def archive_members(path: str, opened: contextlib.ExitStack) -> Iterator[Member]:
    """Return the members of an archive of any form. ``opened`` closes it.

    :raises ArtifactError: as ``tar_members`` and ``zip_members``.
    """
    with open(path, "rb") as stream:
        is_zip = stream.read(4) in _ZIP
    return (zip_members if is_zip else tar_members)(path, opened)


def vllm_files(members: Iterator[Member], max_size: int | None) -> dict[bytes, Member]:
    """Return the files by their names in the directory of the adapter, which can be a directory of the archive.

    :param max_size: the most bytes that all members may have together; None for any.
    :raises ArtifactError: if there are several adapters, or a member that is refused.
    """
    return _below_adapter(_checked(members, max_size))


def listing_of(path: str, files: dict[bytes, Member]) -> Listing:
    """Return a listing of those files that vLLM reads, with their signature.

    :param path: names the archive in sentences.
    """
    read = names_that_vllm_reads(files)

    @contextlib.contextmanager
    def open_member(name: bytes) -> Iterator[IO[bytes]]:
        with explain_damage(path), files[name].open() as content:
            yield content

    # In the order of the archive, because a compressed archive is read in its own order.
    sizes = {name: member.size for name, member in files.items() if name in read}
    evidence = {name: files[name].size for name in evidence_in(files)}
    return Listing(sizes, {}, set(files).difference(read), open_member, evidence)


def archive_checksum(path: str) -> str:
    """Return the SHA-256 of the archive itself, after ``sha256:``.

    :raises ArtifactError: if it cannot be read.
    """
    content = hashlib.sha256()
    with explain_damage(path), open(path, "rb", buffering=0) as stream:
        for chunk in chunks(stream):
            content.update(chunk)
    return "sha256:" + content.hexdigest()


@contextlib.contextmanager
def explain_damage(path: str) -> Iterator[None]:
    """Raise ``ArtifactError`` for what Python's libraries raise for a damaged archive."""
    try:
        yield
    except PermissionError:
        raise ArtifactError(f"{path} may not be read by this user: check its permissions.") from None
    except NotImplementedError:
        raise ArtifactError(f"{path} is packed by a method that Python does not know: pack it as tar.gz.") from None
    except _DAMAGES:
        raise ArtifactError(
            f"{path} is damaged, or is neither a directory nor a tar or zip archive: copy it again."
        ) from None


def _checked(members: Iterator[Member], max_size: int | None) -> dict[bytes, Member]:
    """Return the files. It checks the limits while it reads, so that it stops before the end of a zip bomb."""
    files: dict[bytes, Member] = {}
    folders: set[bytes] = set()
    total = 0
    for count, member in enumerate(members):
        if count >= MAX_ENTRIES:
            raise ArtifactError(f"The archive holds more than {MAX_ENTRIES} entries: pack only the adapter.")
        name = _relative(member.name)
        if member.is_directory:
            folders.add(name)
            continue
        if not name:
            raise ArtifactError("The archive holds a file without a name: pack it again.")
        if name in files:
            raise ArtifactError(f"The archive holds {shown(member.name)} more than once: pack it again.")
        total += member.size
        if max_size is not None and total > max_size:
            raise ArtifactError(f"The archive holds more than {max_size} bytes: raise max_size if this size is right.")
        if not _is_from_finder(name):
            files[name] = member
    _refuse_files_that_are_folders(files, folders)
    return files


def _relative(text: str) -> bytes:
    """Return the member's name without empty parts, such as a leading ``./``."""
    name = text.encode("utf-8", "surrogateescape")
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if name.startswith(b"/"):
        _refuse(text, "has an absolute name", "pack it with relative names")
    if b".." in parts:
        _refuse(text, "leaves the archive by '..'", "pack it with plain names")
    if len(name) > _MAX_NAME:
        _refuse(text, f"has a name of more than {_MAX_NAME} bytes", "give it a short one")
    if "\\" in text or not text.isprintable():
        _refuse(text, "has a name with a backslash, a control character or bytes that are not UTF-8", "rename it")
    return b"/".join(parts)


def _refuse_files_that_are_folders(files: dict[bytes, Member], folders: set[bytes]) -> None:
    # Sorted by their parts, a file comes right before an entry that claims to lie in it.
    paths = sorted(name.split(b"/") for name in folders.union(files))
    clashes = [one for one, other in zip(paths, paths[1:]) if other[: len(one)] == one and b"/".join(one) in files]
    for name in [b"/".join(parts) for parts in clashes] + sorted(folders.intersection(files)):
        raise ArtifactError(f"The archive holds {shown(name.decode())} as a file and as a directory: pack it again.")


def _is_from_finder(name: bytes) -> bool:
    """Return whether macOS added this file to the archive."""
    parts = name.split(b"/")
    return b"__MACOSX" in parts or parts[-1].startswith(b"._") or parts[-1] == b".DS_Store"


def _below_adapter(files: dict[bytes, Member]) -> dict[bytes, Member]:
    """Return the files by their names relative to the directory of the adapter."""
    folders = [name[: -len(CONFIG)] for name in files if os.path.basename(name) == CONFIG]
    adapters = [folder for folder in folders if any(folder + name in files for name in (WEIGHTS, *PICKLES))]
    tops = {name.partition(b"/")[0] + b"/" for name in files}
    if adapters:
        # A trainer leaves its checkpoints in the directory of the adapter. They do not count.
        top = min(adapters, key=len)
        others = [folder for folder in adapters if not folder.startswith(top)]
        if others:
            raise ArtifactError(
                f"The archive holds several adapters, for example in {shown(top.decode())} and {shown(others[0].decode())}: "
                "pack only one of them."
            )
    elif len(tops) == 1 and not files.keys() & {one[:-1] for one in tops}:
        (top,) = tops
    else:
        top = b""
    return {name[len(top) :] if name.startswith(top) else b"../" + name: one for name, one in files.items()}
