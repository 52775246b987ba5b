# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is downloaded is verified like all else: its signature comes with it, and without a good one nothing is staged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.digest import directory_digest
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError

from tests.support.archives import CONFIG, WEIGHTS, files_of, gzipped, in_directory, tar_of
from tests.support.artifact_server import TAR, TAR_GZIP, ArtifactServer, Response, fetch, sha256
from tests.support.signing import new_key, pem, sign

KEY, OTHER = new_key(), new_key()
POLICY = [{"keys": [pem(KEY)], "licences": ["apache-2.0"]}]
LAYOUTS = ["archive", "oras files", "oras directory", "archive in a registry", "modelpack", "image"]


@pytest.fixture
def signed(adapter: Path) -> Path:
    (adapter / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    return sign(adapter, KEY)


def offered(server: ArtifactServer, layout: str, files: dict[str, bytes]) -> dict:
    """Offer an artifact; returns the options that declare it."""
    if layout == "archive":
        packed = gzipped(files)
        server.files["/sql.tar.gz"] = Response(packed)
        return {"src": f"{server.url}/sql.tar.gz", "checksum": sha256(packed)}
    if layout == "oras files":
        layers = server.files_as_layers(files)
    elif layout == "oras directory":
        layers = [server.layer(gzipped(in_directory(files, "sql")), TAR_GZIP, title="sql")]
    elif layout == "archive in a registry":
        layers = [server.layer(gzipped(files), "application/gzip", title="sql.tar.gz")]
    elif layout == "modelpack":
        kinds = {WEIGHTS: "weight.v1.raw", CONFIG: "weight.config.v1.raw", "README.md": "doc.v1.raw"}
        layers = [
            server.layer(
                content, f"application/vnd.cncf.model.{kinds.get(name, 'code.v1.raw')}", filepath=f"lora/{name}"
            )
            for name, content in files.items()
        ]
    else:
        layers = [server.layer(tar_of({name: content}), TAR) for name, content in files.items()]
    return {"src": server.push(layers)}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_signature_is_found_in_each_layout(server: ArtifactServer, signed: Path, store: Path, layout: str) -> None:
    files = files_of(signed)
    options = {"store": store, "trust": POLICY, **offered(server, layout, files)}
    staged = fetch(server, **options)
    assert (staged["changed"], staged["signature"]["verified"]) == (True, True)
    assert files_of(Path(staged["path"])) == files
    asked = len(server.log)
    again = fetch(server, **options)
    assert (again["changed"], again["signature"]["verified"], len(server.log)) == (False, True, asked)


@pytest.mark.parametrize("layout", ["archive", "oras files", "modelpack"])
@pytest.mark.parametrize("fault", ["unsigned", "tampered", "another signer"])
def test_bad_signature_stages_nothing(
    server: ArtifactServer, signed: Path, store: Path, layout: str, fault: str
) -> None:
    if fault == "unsigned":
        (signed / "model.sig").unlink()
    elif fault == "tampered":
        (signed / CONFIG).write_text((signed / CONFIG).read_text() + "\n")
    else:
        sign(signed, OTHER)
    options = {"store": store, **offered(server, layout, files_of(signed))}
    with pytest.raises(VllmError) as refused:
        fetch(server, trust=POLICY, **options)
    assert refused.value.code == "untrusted"
    assert [path for path in store.rglob("*") if path.name != ".lock" and path.name != ".download.lock"] == [
        store / "sql"
    ]
    warned = fetch(server, trust=[{"keys": [pem(KEY)], "mode": "warn"}], **options)
    assert (warned["staged"], warned["signature"]["verified"], len(warned["warnings"])) == (True, False, 1)


def test_missing_signature_is_downloaded_to_the_version(server: ArtifactServer, signed: Path, store: Path) -> None:
    files = files_of(signed)
    pin = {"store": store, "src": f"{server.url}/sql.tar.gz", "digest": directory_digest(str(signed))}
    server.files["/sql.tar.gz"] = Response(gzipped({name: files[name] for name in (CONFIG, WEIGHTS)}))
    target = Path(fetch(server, **pin)["path"])
    server.files["/sql.tar.gz"] = Response(gzipped(files))
    assert (fetch(server, **pin)["changed"], len(server.log)) == (False, 1)
    predicted = fetch(server, check_mode=True, trust=POLICY, **pin)
    assert (predicted["changed"], predicted["path"], len(server.log)) == (True, str(target), 1)
    found = fetch(server, trust=POLICY, **pin)
    assert (found["changed"], found["signature"]["verified"], files_of(target)) == (True, True, files)
    shutil.rmtree(target)
    assert fetch(server, check_mode=True, trust=POLICY, **pin)["staged"] is False


def test_mirror_without_the_signature_is_passed_over(server: ArtifactServer, signed: Path, store: Path) -> None:
    files = files_of(signed)
    server.files["/bare/sql.tar.gz"] = Response(gzipped({name: files[name] for name in (CONFIG, WEIGHTS)}))
    server.files["/full/sql.tar.gz"] = Response(gzipped(files))
    mirrors = {"https://origin.invalid/": [f"{server.url}/{name}/" for name in ("bare", "full")]}
    pin = {"digest": directory_digest(str(signed)), "source_mirrors": mirrors}
    assert fetch(server, "https://origin.invalid/sql.tar.gz", store, trust=POLICY, **pin)["staged"] is True


@pytest.mark.parametrize("layout", ["archive", "oras files"])
def test_revoked_pin_is_refused_before_a_byte(server: ArtifactServer, signed: Path, store: Path, layout: str) -> None:
    options = {"store": store, **offered(server, layout, files_of(signed))}
    digest = directory_digest(str(signed))
    pin = options.get("checksum") or options["src"].partition("@")[2]
    for more in ({"revoked": [pin]}, {"revoked": [digest], "digest": digest}):
        with pytest.raises(VllmError) as refused:
            fetch(server, **{**options, **more})
        assert (refused.value.code, server.log, store.exists()) == ("revoked", [], False)
    with pytest.raises(VllmError) as found:
        fetch(server, **options, revoked=[digest])
    assert (found.value.code, list(store.rglob("adapter*"))) == ("revoked", [])
