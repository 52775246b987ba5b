# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An adapter in a cache of Hugging Face, where every file is a link."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import inspect_artifact

from tests.stand_in import write_adapter
from tests.support.archives import stage
from tests.support.artifact_changes import CONFIG, WEIGHTS


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """An adapter in a cache of Hugging Face."""
    repository = tmp_path / "hub" / "models--acme--sql"
    snapshot = write_adapter(repository / "snapshots" / ("a" * 40))
    (repository / "blobs").mkdir()
    for number, name in enumerate((CONFIG, WEIGHTS)):
        (snapshot / name).rename(repository / "blobs" / str(number))
        (snapshot / name).symlink_to(f"../../blobs/{number}")
    return snapshot


def test_a_snapshot_of_a_hugging_face_cache(tmp_path: Path, snapshot: Path) -> None:
    found = inspect_artifact(str(snapshot))
    assert found["problems"] == []
    assert found == inspect_artifact(str(write_adapter(tmp_path / "adapter")))
    path = Path(stage(snapshot, tmp_path / "store")["path"])
    assert not any((path / name).is_symlink() for name in (CONFIG, WEIGHTS))
    nested = snapshot / "checkpoint-500"
    nested.mkdir()
    for number, name in enumerate((CONFIG, WEIGHTS)):
        (nested / name).symlink_to(f"../../../blobs/{number}")
    (tmp_path / "current").symlink_to(nested)
    assert inspect_artifact(str(tmp_path / "current")) == found


@pytest.mark.parametrize(
    "target",
    [
        "{repository}/blobs/0",
        "../../blobs/../../models--acme--other/blobs/0",
        "../../../models--acme--other/blobs/0",
        "../../blobs/inner/0",
        "../../blobs/secret",
        "../../blobs",
        "../../blobs/missing",
        "../../refs/main",
        "../../../../secret",
    ],
)
def test_a_link_of_a_snapshot_that_goes_anywhere_else(tmp_path: Path, snapshot: Path, target: str) -> None:
    repository = snapshot.parents[1]
    config = (repository / "blobs" / "0").read_bytes()
    places = ["blobs/inner/0", "refs/main", "../models--acme--other/blobs/0", "../../secret"]
    for place_of_copy in places:
        (repository / place_of_copy).parent.mkdir(parents=True, exist_ok=True)
        (repository / place_of_copy).write_bytes(config)
    (repository / "blobs" / "secret").symlink_to("../../../secret")
    (snapshot / CONFIG).unlink()
    (snapshot / CONFIG).symlink_to(target.format(repository=repository))
    (problem,) = inspect_artifact(str(snapshot))["problems"]
    assert problem.startswith(f"'{CONFIG}' is a symbolic link ")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("hub/models--acme--sql", "hub/acme"),
        ("hub/models--acme--sql/snapshots", "hub/models--acme--sql/versions"),
        ("hub/models--acme--sql/blobs", "hub/models--acme--sql/blob"),
    ],
)
def test_links_into_blobs_of_no_cache(tmp_path: Path, snapshot: Path, old: str, new: str) -> None:
    (tmp_path / old).rename(tmp_path / new)
    assert not inspect_artifact(str(snapshot).replace(old, new))["valid"]
