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
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.digest import directory_digest
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration import artifacts, downloads, known_digests
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.resolution import artifacts_below, resolved

from tests.support.archives import files_of
from tests.support.artifact_server import ArtifactServer
from tests.support.signing import new_key, pem, sign

DIGEST = "sha256:" + "0123456789abcdef" * 4
CHECKSUM = "sha256:" + "c" * 64


@pytest.fixture(autouse=True)
def _directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(artifacts, "_RUN_DIRECTORY", str(tmp_path / "run"))
    monkeypatch.setattr(known_digests, "HOME", str(tmp_path / "home"))
    monkeypatch.setattr(downloads, "ARTIFACTS", str(tmp_path / "home" / "artifacts"))
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
    known_digests.remember_digest(CHECKSUM, DIGEST)
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
    known_digests.remember_digest(CHECKSUM, DIGEST)
    (index,) = (tmp_path / "home").glob(".checksums.json")
    index.write_text(index.read_text()[:-20])
    assert known_digests.known_digest(CHECKSUM) is None
    assert str(index) in "".join(capsys.readouterr().err.split())
    known_digests.remember_digest(CHECKSUM, DIGEST)
    assert known_digests.known_digest(CHECKSUM) == DIGEST


def test_an_address_is_a_folder_of_the_controller_after_one_download(tmp_path: Path, examples: Path) -> None:
    files = files_of(examples / "first")
    digest = directory_digest(str(examples / "first"))
    with ArtifactServer() as server:
        src = server.push(server.files_as_layers(files))
        (adapter,) = read_adapters("lora_adapters", [{"name": "sql", "src": src}])
        settings = {"source_plain_http": [server.host]}
        artifacts = artifacts_below(str(tmp_path))
        folder, found = artifacts.local(adapter, settings)
        assert (found, files_of(Path(folder))) == (digest, files)
        asked = len(server.log)
        artifacts_below.cache_clear()
        assert artifacts_below(str(tmp_path)).local(adapter, settings) == (folder, digest)
        # The manifest is known now, so nobody is asked for the path.
        assert path_of(tmp_path, {"src": src}, unasked) == f"/srv/lora/sql/{digest[7:19]}"
        assert len(server.log) == asked
        # A folder that was changed is downloaded again.
        (Path(folder) / "adapter_config.json").write_text("{}")
        artifacts_below.cache_clear()
        assert artifacts_below(str(tmp_path)).local(adapter, settings) == (folder, digest)
        assert files_of(Path(folder)) == files


def test_an_address_that_nobody_knows_is_not_downloaded(tmp_path: Path) -> None:
    source = {"src": "https://registry.invalid/sql.tar.gz", "checksum": CHECKSUM}
    with pytest.raises(VllmError, match="declares 'sql' by an address") as refused:
        path_of(tmp_path, source)
    assert refused.value.code == "invalid_request"
    # Neither the node knows it: nobody serves from this path.
    assert path_of(tmp_path, source, lambda adapter: None) == "/srv/lora/sql/cccccccccccc"
    assert path_of(tmp_path, source, lambda adapter: DIGEST) == "/srv/lora/sql/0123456789ab"
    assert path_of(tmp_path, source, unasked) == "/srv/lora/sql/0123456789ab"
    with pytest.raises(VllmError, match="neither digest nor checksum"):
        read_adapters("lora_adapters", [{"name": "sql", "src": source["src"]}])


def test_what_the_controller_keeps_of_an_address_is_verified_too(tmp_path: Path, examples: Path) -> None:
    key = new_key()
    bare = files_of(examples / "first")
    signed = files_of(sign(shutil.copytree(examples / "first", tmp_path / "signed"), key))
    digest = directory_digest(str(examples / "first"))
    trusting: dict = {"trust": [{"keys": [pem(key)]}]}

    def local(src: str, **settings: object) -> str:
        artifacts_below.cache_clear()
        (adapter,) = read_adapters("lora_adapters", [{"name": "sql", "src": src}])
        return artifacts_below(str(tmp_path)).local(adapter, {"source_plain_http": [server.host], **settings})[0]

    def refused(src: str, **settings: object) -> str:
        with pytest.raises(VllmError) as error:
            local(src, **settings)
        return error.value.code

    with ArtifactServer() as server:
        one, other = (server.push(server.files_as_layers(files)) for files in (bare, signed))
        assert refused(one, **trusting) == "untrusted"
        assert not list((tmp_path / "home").rglob("adapter_config.json"))
        folder = Path(local(one))
        assert refused(one, **trusting) == "untrusted"
        assert (local(other, **trusting), files_of(folder)) == (str(folder), signed)
        asked = len(server.log)
        assert local(other, **trusting) == str(folder)
        for revoked in (digest, other.partition("@")[2]):
            assert refused(other, **trusting, revoked=[revoked]) == "revoked"
        assert len(server.log) == asked
