# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever has the commit can build the bytes that were released, and compare."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from pathlib import Path

from tests.release.building import build, clone


def test_two_clones_make_the_same_bytes(tmp_path: Path) -> None:
    first, second = clone(tmp_path / "first"), clone(tmp_path / "second")
    # Another clone is another time, and another umask.
    for path in second.rglob("plugins/**/*.py"):
        os.utime(path, (1, 1))
        path.chmod(0o600)
    assert build(first, tmp_path / "one").read_bytes() == build(second, tmp_path / "two").read_bytes()


def test_all_times_are_the_one_that_is_given(tmp_path: Path) -> None:
    built = build(clone(tmp_path / "clone"), tmp_path / "build", SOURCE_DATE_EPOCH="1700000000")
    with tarfile.open(built) as archive:
        assert {member.mtime for member in archive} == {1_700_000_000}


def test_the_checksums_in_it_are_right(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        content = {member.name: archive.extractfile(member).read() for member in archive if not member.isdir()}
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    assert json.loads(content["MANIFEST.json"])["file_manifest_file"]["chksum_sha256"] == sums["FILES.json"]
    listed = json.loads(content["FILES.json"])["files"]
    assert {entry["name"]: entry["chksum_sha256"] for entry in listed if entry["ftype"] == "file"} == {
        name: digest for name, digest in sums.items() if name not in ("MANIFEST.json", "FILES.json")
    }
