# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The digest of an artifact."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact import inspect_artifact
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact_files import (
    ArtifactError,
    digest_files,
    directory_digest,
    list_files,
)

from tests.unit.artifact_changes import WEIGHTS
from tests.vllm_stand_in import write_adapter


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return write_adapter(tmp_path / "adapter", rank=8, base_model="acme/tiny")


def test_sha256sum_prints_the_same(adapter: Path) -> None:
    # Sorted by byte, a name with a dot comes before one in a folder, and é after z.
    for name in ("a.txt", "a/b", "é", "z z", "'quoted'", "-n", ".hidden", "empty"):
        (adapter / name).parent.mkdir(exist_ok=True)
        (adapter / name).write_text("" if name == "empty" else name, encoding="utf-8")
    (adapter / "link").symlink_to("a/b")
    (adapter / "large").write_bytes(random.Random(0).getrandbits(40_000_000).to_bytes(5_000_000, "little"))
    command = r"find -L . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum -- | sha256sum"
    printed = subprocess.run(command, shell=True, cwd=adapter, check=True, capture_output=True, text=True).stdout
    assert inspect_artifact(str(adapter))["digest"] == f"sha256:{printed.split()[0]}"


def test_a_copy_has_the_same_digest(adapter: Path) -> None:
    before = directory_digest(str(adapter))
    copy = adapter.with_name("copy")
    shutil.copytree(adapter, copy)
    (copy / "empty folder").mkdir()
    for file in copy.rglob("*"):
        os.utime(file, (0, 0))
        file.chmod(0o700)
    assert directory_digest(f"{copy}/") == before


def test_a_copy_that_resolves_links_has_the_same_digest(adapter: Path) -> None:
    (adapter / "weights").mkdir()
    (adapter / "adapter_model.safetensors").rename(adapter / "weights" / "real")
    (adapter / "adapter_model.safetensors").symlink_to("weights/real")
    assert inspect_artifact(str(adapter))["problems"] == []
    shutil.copytree(adapter, adapter.with_name("copy"), symlinks=False)
    assert directory_digest(str(adapter.with_name("copy"))) == directory_digest(str(adapter))


@pytest.mark.parametrize("change", ["byte", "name", "more", "less"])
def test_any_change_of_the_files_changes_it(adapter: Path, change: str) -> None:
    note = adapter / "note"
    note.write_text("one", encoding="utf-8")
    before = directory_digest(str(adapter))
    if change == "byte":
        note.write_text("two", encoding="utf-8")
    elif change == "name":
        note.rename(adapter / "Note")
    elif change == "more":
        (adapter / "more").touch()
    else:
        note.unlink()
    assert directory_digest(str(adapter)) != before


def test_the_directory_itself_may_be_a_link(adapter: Path) -> None:
    adapter.with_name("current").symlink_to("adapter")
    assert inspect_artifact(str(adapter.with_name("current")))["digest"] == directory_digest(str(adapter))


def test_there_is_none_of_what_cannot_be_read(adapter: Path) -> None:
    (adapter / "extra").symlink_to("/etc/hostname")
    assert inspect_artifact(str(adapter))["digest"] is None
    with pytest.raises(ArtifactError, match="'extra' is a symbolic link that leaves the directory"):
        directory_digest(str(adapter))


def test_checksum(adapter: Path) -> None:
    digest = directory_digest(str(adapter))
    assert inspect_artifact(str(adapter), checksum=digest.upper().replace("SHA", "sha"))["valid"]
    result = inspect_artifact(str(adapter), checksum="sha256:" + 64 * "0")
    assert not result["valid"]
    assert digest in result["problems"][0] and 64 * "0" in result["problems"][0]


def test_a_pipe_in_place_of_a_listed_file_does_not_block(adapter: Path) -> None:
    listing = list_files(str(adapter))
    (adapter / WEIGHTS).unlink()
    os.mkfifo(adapter / WEIGHTS)
    with pytest.raises(ArtifactError, match=f"'{WEIGHTS}' changed while it was read"):
        digest_files(listing)
