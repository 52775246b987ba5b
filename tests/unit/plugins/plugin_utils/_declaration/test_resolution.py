# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which the digest of a declared artifact is looked for, and the index that saves reading it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

if sys.version_info < (3, 10):
    pytest.skip("These run on the controller.", allow_module_level=True)

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import read_adapters
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.files import directory_digest
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration import artifacts
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.resolution import artifacts_below, resolved

DIGEST = "sha256:" + "0123456789abcdef" * 4
CHECKSUM = "sha256:" + "c" * 64


@pytest.fixture(autouse=True)
def _directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(artifacts, "_RUN_DIRECTORY", str(tmp_path / "run"))
    monkeypatch.setattr(artifacts, "_HOME", str(tmp_path / "home"))
    artifacts_below.cache_clear()


def path_of(directory: Path, adapter: dict, node: object = None, **settings: object) -> str:
    declared = read_adapters("lora_adapters", [{"name": "sql", **adapter}])
    given = {"adapters": declared, "store": "/srv/lora", **settings}
    return resolved(given, artifacts_below(str(directory)), node).adapters[0]["path"]


def unasked(adapter: dict) -> str:
    raise AssertionError("the node was asked")


def test_a_digest_and_a_known_checksum_need_no_artifact(tmp_path: Path) -> None:
    gone = {"src": "gone.zip"}
    assert path_of(tmp_path, {**gone, "digest": DIGEST}, unasked) == "/srv/lora/sql/0123456789ab"
    artifacts.remember_digest(CHECKSUM, DIGEST)
    assert path_of(tmp_path, {**gone, "checksum": CHECKSUM}, unasked) == "/srv/lora/sql/0123456789ab"


def test_the_artifact_comes_before_the_node(tmp_path: Path, examples: Path) -> None:
    shutil.copytree(examples / "first", tmp_path / "files" / "sql")
    digest = directory_digest(str(examples / "first"))
    expected = f"/inside/sql/{digest[7:19]}"
    assert path_of(tmp_path, {"src": "sql", "checksum": digest}, unasked, server_store="/inside") == expected
    shutil.rmtree(tmp_path / "files")
    # Remembered, as an archive of the same files would be.
    assert path_of(tmp_path, {"src": "sql", "checksum": digest}, unasked, server_store="/inside") == expected


def test_the_node_is_asked_last(tmp_path: Path) -> None:
    asked = []

    def node(adapter: dict) -> str | None:
        asked.append(adapter["name"])
        return DIGEST if len(asked) == 1 else None

    gone = {"src": "gone.zip", "checksum": CHECKSUM}
    assert path_of(tmp_path, gone, node) == path_of(tmp_path, gone, node) == "/srv/lora/sql/0123456789ab"
    assert asked == ["sql"], "its answer is remembered"
    with pytest.raises(VllmError, match=r"there is no directory or archive 'gone\.zip'; copy it there"):
        path_of(tmp_path, {"src": "gone.zip"}, node)
    assert asked == ["sql"], "without a checksum, the store cannot know the version"
    with pytest.raises(VllmError, match="audit the site live, or declare the digest") as refusal:
        path_of(tmp_path, {"src": "/node/sql", "remote_src": True})
    assert refusal.value.code == "invalid_request"


def test_what_cannot_be_served_has_no_path(tmp_path: Path, examples: Path) -> None:
    source = {"src": str(examples / "first")}
    with pytest.raises(VllmError, match="rank"):
        path_of(tmp_path, source, max_rank=1)
    with pytest.raises(VllmError, match=r"The digest is sha256:.*, not sha256:c"):
        path_of(tmp_path, {**source, "checksum": CHECKSUM}, unasked)


def test_a_broken_index_is_no_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    artifacts.remember_digest(CHECKSUM, DIGEST)
    (index,) = (tmp_path / "home").glob(".checksums.json")
    index.write_text(index.read_text()[:-20])
    assert artifacts.known_digest(CHECKSUM) is None
    assert str(index) in "".join(capsys.readouterr().err.split())
    artifacts.remember_digest(CHECKSUM, DIGEST)
    assert artifacts.known_digest(CHECKSUM) == DIGEST
