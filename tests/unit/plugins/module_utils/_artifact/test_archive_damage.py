# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged archives are noticed."""

from __future__ import annotations

import hashlib
import lzma
import random
import zipfile
from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.digest import directory_digest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import inspect_artifact

from tests.support.archives import Archive, files_of, gzipped, tar_of, write, zip_of

WITH_CHECK_SUMS = {
    "tar.gz": gzipped,
    "tar.xz": lambda files: lzma.compress(tar_of(files)),
    "zip": zip_of,
    "zip, stored": lambda files: zip_of(files, compression=zipfile.ZIP_STORED),
}


def damaged(whole: bytes, numbers: random.Random) -> bytes:
    altered = bytearray(whole)
    for _byte in range(numbers.choice([1, 1, 4, 30])):
        altered[numbers.randrange(len(altered))] = numbers.randrange(256)
    if numbers.random() < 0.2:
        del altered[numbers.randrange(len(altered)) :]
    return bytes(altered)


@pytest.mark.parametrize("archive", WITH_CHECK_SUMS.values(), ids=WITH_CHECK_SUMS)
def test_damage_is_noticed(tmp_path: Path, adapter: Path, archive: Archive) -> None:
    whole = archive(files_of(adapter))
    digest = directory_digest(str(adapter))
    numbers = random.Random(len(whole))
    for _turn in range(200):
        packed = write(tmp_path / "packed", damaged(whole, numbers))
        found = inspect_artifact(str(packed), max_size=1 << 20)
        # Such as a date, which is not part of the artifact.
        assert not found["valid"] or found["digest"] == digest


def test_damage_without_a_checksum_is_no_traceback(tmp_path: Path, adapter: Path) -> None:
    whole = tar_of(files_of(adapter))
    numbers = random.Random(1)
    for _turn in range(400):
        headers = bytearray(whole)
        # The first member's header, and that of the second one.
        for start in (0, 1024):
            headers[start : start + 512] = damaged(whole[start : start + 512], numbers).ljust(512, b"\0")
        found = inspect_artifact(str(write(tmp_path / "packed", bytes(headers))), max_size=1 << 20)
        assert found["problems"] or found["digest"]


def test_a_missing_permission(tmp_path: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = write(tmp_path / "packed", tar_of(files_of(adapter)))

    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    assert inspect_artifact(str(packed))["problems"] == [
        f"{packed} may not be read by this user: check its permissions."
    ]


def test_the_checksum_is_that_of_the_files_or_of_the_archive(tmp_path: Path, adapter: Path) -> None:
    packed = write(tmp_path / "packed", gzipped(files_of(adapter)))
    of_archive = "sha256:" + hashlib.sha256(packed.read_bytes()).hexdigest()
    for checksum in (directory_digest(str(adapter)), of_archive):
        assert inspect_artifact(str(packed), checksum=checksum)["valid"]
    (problem,) = inspect_artifact(str(packed), checksum="sha256:" + 64 * "0")["problems"]
    assert of_archive in problem and directory_digest(str(adapter)) in problem
    assert not inspect_artifact(str(adapter), checksum=of_archive)["valid"]
