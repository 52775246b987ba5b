# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads from a web server and a registry: an artifact is staged as a whole, or nothing is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.digest import directory_digest
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError

from tests.support.archives import CONFIG, WEIGHTS, files_of, gzipped, in_directory, stage, tar_of
from tests.support.artifact_server import INDEX, TAR, TAR_GZIP, UNPACK, ArtifactServer, Response, fetch, sha256


def leftovers(store: Path) -> list[str]:
    """What is in the store, without locks and the index."""
    return sorted(str(path.relative_to(store)) for path in store.rglob("*") if "lock" not in path.name)


class TestGoodSources:
    @pytest.mark.parametrize("by", ["digest", "checksum", "digest of the files as checksum"])
    def test_archive(self, server: ArtifactServer, adapter: Path, store: Path, by: str) -> None:
        archive = gzipped(files_of(adapter))
        server.files["/sql.tar.gz"] = Response(archive)
        digest = directory_digest(str(adapter))
        pin = {"digest": {"digest": digest}, "checksum": {"checksum": sha256(archive).upper().replace("SHA", "sha")}}
        options = {"src": f"{server.url}/sql.tar.gz", **pin.get(by, {"checksum": digest})}
        predicted = fetch(server, check_mode=True, store=store, **options)
        assert (predicted["changed"], predicted["staged"], server.log) == (True, False, [])
        staged = fetch(server, store=store, **options)
        assert (staged["changed"], staged["digest"]) == (True, digest)
        assert files_of(Path(staged["path"])) == files_of(adapter)
        assert not [path for path in leftovers(store) if "download" in path]
        # The store needs no source any more.
        del server.files["/sql.tar.gz"]
        assert fetch(server, store=store, **options)["changed"] is False
        assert fetch(server, check_mode=True, store=store, **options)["digest"] == digest
        assert len(server.log) == 1

    @pytest.mark.parametrize(
        "layout", ["oras files", "oras directory", "oras-py directory", "modelpack", "image", "archive", "index"]
    )
    def test_registry(self, server: ArtifactServer, adapter: Path, store: Path, layout: str) -> None:
        files = files_of(adapter)
        # vLLM does not read it, so it is not downloaded.
        notes = server.layer(b"notes", "text/plain", title="README.md")
        del server.files[f"/v2/adapters/sql/blobs/{sha256(b'notes')}"]
        if layout == "oras files":
            src = server.push([*server.files_as_layers(files, TAR), notes])
        elif layout == "oras directory":
            layer = server.layer(tar_of(in_directory(files, "sql")), TAR, title="sql")
            layer["annotations"].update(UNPACK)
            src = server.push([layer])
        elif layout == "oras-py directory":
            src = server.push([server.layer(gzipped(in_directory(files, "sql")), TAR_GZIP, title="sql")])
        elif layout == "modelpack":
            weights = server.layer(
                files[WEIGHTS], "application/vnd.cncf.model.weight.v1.raw", filepath=f"lora/{WEIGHTS}"
            )
            rest = {f"lora/{name}": content for name, content in files.items() if name != WEIGHTS}
            config = server.layer(tar_of(rest), "application/vnd.cncf.model.weight.config.v1.tar", filepath="lora")
            readme = {**notes, "mediaType": "application/vnd.cncf.model.doc.v1.tar"}
            src = server.push([weights, config, readme], artifactType="application/vnd.cncf.model.manifest.v1+json")
        elif layout == "image":
            one, two = ({name: files[name]} for name in (CONFIG, WEIGHTS))
            src = server.push([server.layer(gzipped(one), TAR_GZIP), server.layer(tar_of(two), TAR)])
        elif layout == "archive":
            src = server.push([server.layer(gzipped(files), "application/gzip", title="sql.tar.gz")])
        else:
            inner = server.push(server.files_as_layers(files))
            attested = {"digest": sha256(b"x"), "size": 1, "annotations": {"vnd.docker.reference.type": "attestation"}}
            manifests = [{"digest": inner.partition("@")[2], "size": 1}, attested]
            content = json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()
            src = server.push_manifest(content, kind=INDEX)
        predicted = fetch(server, src, store, check_mode=True)
        assert (predicted["changed"], server.log) == (True, [])
        staged = fetch(server, src, store)
        assert staged["digest"] == directory_digest(str(adapter))
        assert files_of(Path(staged["path"])) == files
        asked = len(server.log)
        assert fetch(server, src, store)["changed"] is False
        assert fetch(server, src, store, check_mode=True)["path"] == staged["path"]
        assert len(server.log) == asked

    def test_interrupted_download_is_continued(self, server: ArtifactServer, adapter: Path, store: Path) -> None:
        archive = gzipped(files_of(adapter))
        half = len(archive) // 2
        options = {"src": f"{server.url}/sql.tar.gz", "checksum": sha256(archive)}
        server.files["/sql.tar.gz"] = Response(archive[:half], claimed=len(archive))
        with pytest.raises(VllmError) as stopped:
            fetch(server, store=store, **options)
        assert stopped.value.code == "download_failed"
        assert stopped.value.retryable
        assert not [path for path in leftovers(store) if path.endswith("adapter_config.json")]
        server.files["/sql.tar.gz"] = Response(archive, ranges=True)
        assert fetch(server, store=store, **options)["changed"] is True
        assert server.log[-1][1]["Range"].startswith("bytes=")

    @pytest.mark.parametrize("ranges", [True, False], ids=["with ranges", "without ranges"])
    def test_beginning_of_another_file_is_dropped(
        self, server: ArtifactServer, adapter: Path, store: Path, ranges: bool
    ) -> None:
        archive = gzipped(files_of(adapter))
        options = {"src": f"{server.url}/sql.tar.gz", "digest": directory_digest(str(adapter))}
        server.files["/sql.tar.gz"] = Response(b"something else", claimed=len(archive))
        with pytest.raises(VllmError):
            fetch(server, store=store, **options)
        server.files["/sql.tar.gz"] = Response(archive, ranges=ranges)
        assert fetch(server, store=store, **options)["changed"] is True

    def test_mirrors_are_tried_in_order(self, server: ArtifactServer, adapter: Path, store: Path) -> None:
        archive = gzipped(files_of(adapter))
        server.files["/bad/sql.tar.gz"] = Response(gzipped({"other": b"bytes"}))
        server.files["/good/sql.tar.gz"] = Response(archive)
        address = "https://origin.invalid/sql.tar.gz"
        mirrors = {"https://origin.invalid/": [f"{server.url}/{name}/" for name in ("gone", "bad", "good")]}
        fetch(server, address, store, source_mirrors=mirrors, checksum=sha256(archive))
        assert server.asked == ["/gone/sql.tar.gz", "/bad/sql.tar.gz", "/good/sql.tar.gz"]
        mirrors = {"https://origin.invalid/": [f"{server.url}/{name}/" for name in ("gone", "bad")]}
        with pytest.raises(VllmError) as refused:
            fetch(server, address, store / "other", source_mirrors=mirrors, checksum=sha256(archive))
        assert refused.value.code == "artifact_invalid"
        assert "before that: Could not download adapter 'sql'" in refused.value.message

    def test_layout_on_a_disk_is_a_source_too(self, server: ArtifactServer, adapter: Path, store: Path) -> None:
        layout = store.parent / "layout"
        (layout / "blobs/sha256").mkdir(parents=True)
        src = server.push(server.files_as_layers(files_of(adapter)))
        for place, response in server.files.items():
            (layout / "blobs/sha256" / place[-64:]).write_bytes(response.body)
        descriptor = {"digest": src.partition("@")[2], "size": 1, "mediaType": "x"}
        (layout / "oci-layout").write_text("{}")
        (layout / "index.json").write_text(json.dumps({"manifests": [descriptor]}))
        assert stage(layout, store)["digest"] == directory_digest(str(adapter))

    def test_signature_comes_with_the_files(self, server: ArtifactServer, adapter: Path, store: Path) -> None:
        (adapter / "README.md").write_text("licence: none")
        (adapter / "optimizer.pt").write_bytes(b"large")
        files = files_of(adapter)
        fetch(server, server.push(server.files_as_layers(files)), store)
        assert f"/v2/adapters/sql/blobs/{sha256(files['README.md'])}" not in server.asked
        signed = {**files, "model.sig": b"{}"}
        fetch(server, server.push(server.files_as_layers(signed)), store / "signed")
        for name in ("model.sig", "README.md"):
            assert f"/v2/adapters/sql/blobs/{sha256(signed[name])}" in server.asked
        assert f"/v2/adapters/sql/blobs/{sha256(b'large')}" not in server.asked
