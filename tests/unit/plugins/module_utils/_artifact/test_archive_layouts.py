# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of different tools that hold one adapter, at the top or in a directory."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.digest import directory_digest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import inspect_artifact

from tests.support.archives import (
    CONFIG,
    LIMIT,
    WEIGHTS,
    ZEROS,
    Archive,
    files_of,
    gzipped,
    in_directory,
    tar_bytes,
    tar_entry,
    tar_of,
    with_members,
    write,
    zip_of,
)


def from_finder(files: dict) -> bytes:
    """As the Finder of macOS packs a folder."""
    shadows = {f"__MACOSX/sql/._{name}": b"\0\5\x16\7" for name in files}
    return zip_of({**in_directory(files, "sql"), **shadows, "__MACOSX/._sql": b"", "sql/.DS_Store": b"Bud1"})


def from_tar_of_macos(files: dict) -> bytes:
    return gzip.compress(
        tar_of({"._sql": b"x", **in_directory({**files, f"._{CONFIG}": b"x", ".DS_Store": b""}, "sql")})
    )


def with_checkpoints(files: dict) -> bytes:
    return tar_of({**in_directory(files, "out/checkpoint-1"), **in_directory(files, "out/sql"), **files})


def beside_a_config(files: dict) -> bytes:
    return tar_of({CONFIG: b"{}", **in_directory(files, "sql"), f"old/{CONFIG}": b"{}", f"new/{WEIGHTS}": b""})


GOOD = {
    "tar": tar_of,
    "tar.gz": gzipped,
    "tar.bz2": lambda files: bz2.compress(tar_of(files)),
    "tar.xz": lambda files: lzma.compress(tar_of(files)),
    "zip": zip_of,
    "zip, stored": lambda files: zip_of(files, compression=zipfile.ZIP_STORED),
    "one directory at the top": lambda files: tar_of(in_directory(files, "support-de")),
    "one directory at the top, zip": lambda files: zip_of(in_directory(files, "support-de")),
    "dot at the top": lambda files: tar_of(in_directory(files, ".")),
    "GNU format": lambda files: tar_bytes([tar_entry(*file) for file in files.items()], tarfile.GNU_FORMAT),
    "with its directories": with_members(
        tar_entry("notes", type=tarfile.DIRTYPE), tar_entry("./", type=tarfile.DIRTYPE)
    ),
    "two directories at the top": lambda files: tar_of({**in_directory(files, "one"), "two/x": b""}),
    "two levels": lambda files: tar_of(in_directory(files, "one/two")),
    "beside a file": lambda files: zip_of({"README.md": b"", **in_directory(files, "sql")}),
    "Finder": from_finder,
    "tar of macOS": from_tar_of_macos,
    "with checkpoints": with_checkpoints,
    "beside halves of adapters": beside_a_config,
    "with a pickle": lambda files: tar_of({"adapter_model.bin": b"\x80", **files}),
    "padded": lambda files: tar_of(files) + ZEROS * 100,
    # torch.save() writes zip files, and PEFT leaves some beside an adapter.
    "ends like a zip archive": lambda files: tar_of({**files, "training_args.bin": zip_of({"a": b"b"})}),
}


@pytest.mark.parametrize("archive", GOOD.values(), ids=GOOD)
def test_an_archive_is_the_directory_that_is_packed_in_it(
    adapter_with_notes: Path, tmp_path: Path, archive: Archive
) -> None:
    packed = write(tmp_path / "packed", archive(files_of(adapter_with_notes)))
    found = inspect_artifact(str(packed), max_size=LIMIT)
    assert found["problems"] == []
    assert {**found, "digest": directory_digest(str(adapter_with_notes))} == inspect_artifact(str(adapter_with_notes))
