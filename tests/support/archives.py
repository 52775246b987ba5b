# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes archives, good and hostile ones, and stages artifacts."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.operations import LoraArtifact

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
ZEROS = bytes(1024)
LIMIT = 1 << 20


def files_of(adapter: Path) -> dict[str, bytes]:
    """Relative name → content."""
    return {str(file.relative_to(adapter)): file.read_bytes() for file in sorted(adapter.rglob("*")) if file.is_file()}


def tar_entry(name: str, content: bytes = b"", **attributes: object) -> tuple[tarfile.TarInfo, bytes]:
    """A member with this content, and attributes of TarInfo that may contradict it."""
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    for attribute, value in attributes.items():
        setattr(entry, attribute, value)
    return entry, content


def tar_bytes(entries: Iterable[tuple[tarfile.TarInfo, bytes]], format: int = tarfile.PAX_FORMAT) -> bytes:
    """An uncompressed archive. What TarInfo says of a member is written as it is."""
    out = io.BytesIO()
    for entry, content in entries:
        out.write(entry.tobuf(format))
        out.write(content + bytes(-len(content) % 512))
    return out.getvalue() + ZEROS


def tar_of(files: dict[str, bytes], *more: tuple[tarfile.TarInfo, bytes]) -> bytes:
    return tar_bytes([*(tar_entry(name, content) for name, content in files.items()), *more])


def zip_of(
    files: dict[str, bytes], *more: tuple[zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_DEFLATED
) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", compression) as archive:
        warnings.simplefilter("ignore")  # of duplicate names
        for name, content in files.items():
            archive.writestr(name, content)
        for entry, content in more:
            archive.writestr(entry, content)
    return out.getvalue()


def zip_entry(name: str, content: bytes = b"", mode: int = stat.S_IFREG | 0o644) -> tuple[zipfile.ZipInfo, bytes]:
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3  # Unix
    entry.external_attr = mode << 16
    return entry, content


def in_directory(files: dict[str, bytes], directory: str) -> dict[str, bytes]:
    return {f"{directory}/{name}": content for name, content in files.items()}


def write(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    return file


# As text, for unit tests import this on Python 3.8.
Archive = "Callable[[dict[str, bytes]], bytes]"


def with_members(*more: tuple[tarfile.TarInfo, bytes]) -> Archive:
    """The adapter's files, and these, in a tar archive."""
    return lambda files: tar_of(files, *more)


def with_zip_members(*more: tuple[zipfile.ZipInfo, bytes]) -> Archive:
    return lambda files: zip_of(files, *more)


def changed(make: Callable[[dict], bytes], change: Callable[[bytes], bytes]) -> Archive:
    return lambda files: change(make(files))


def flipped(at: int) -> Callable[[bytes], bytes]:
    """Another bit at a place, counted from the end if it is negative."""

    def change(content: bytes) -> bytes:
        altered = bytearray(content)
        altered[at] ^= 0x10
        return bytes(altered)

    return change


def gzipped(files: dict[str, bytes]) -> bytes:
    return gzip.compress(tar_of(files), mtime=0)


def stage(source: Path | None, store: Path, check_mode: bool = False, **options: object) -> dict:
    given = {"src": source and str(source), "store": str(store), "name": "sql", "server_store": None, "digest": None}
    checks = {"max_rank": None, "base_model": None, "checksum": None, "allow_pickle": False, "max_size": LIMIT}
    checks.update(trust=None, revoked=None)
    operation = LoraArtifact()
    operation.set_attributes = lambda path: False
    return operation.run({**given, **checks, **options}, check_mode)
