# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adapters that are declared by an address: the role, check mode and the audit, on the controller and on the node."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.digest import directory_digest

from tests.support.archives import WEIGHTS, files_of, gzipped
from tests.support.artifact_server import ArtifactServer, Response, sha256
from tests.support.playbook import Run
from tests.support.signing import new_key, pem, sign
from tests.support.site import Site

from .conftest import NewSite

SECRET = "sesame-4711"
STAGE, COMPARE = "Stage the artifacts", "Compare the server with the declaration"
ROLE = "- ansible.builtin.include_role: {name: sovereign.vllm.lora}\n"
AUDIT = "- ansible.builtin.include_role: {name: sovereign.vllm.lora, tasks_from: audit}\n"


@pytest.fixture
def server() -> Iterator[ArtifactServer]:
    with ArtifactServer() as running:
        running.guard = lambda path, headers: (
            None if headers.get("Authorization") else Response(status=401, headers={"WWW-Authenticate": "Basic"})
        )
        yield running


@pytest.fixture
def site(new_site: NewSite, server: ArtifactServer, examples: Path) -> Site:
    """`first` comes from a web server by its checksum, `second` from a registry by way of a mirror, `third` to the node."""
    archive, other = (gzipped(files_of(examples / name)) for name in ("first", "second"))
    server.files |= {"/first.tar.gz": Response(archive), "/third.tar.gz": Response(other)}
    oci = server.push(server.files_as_layers(files_of(examples / "second")))
    site = new_site()
    variables = {
        "vllm_base_url": site.watched.url,
        "lora_store": f"{site.artifacts}/store",
        "lora_source_plain_http": server.host,
        "lora_source_mirrors": {"oci://registry.invalid/": [f"oci://{server.host}/"]},
        "lora_source_credentials": [{"host": server.host, "username": "robot", "secret_env": "SESAME"}],
        "lora_adapters": [
            {"name": "first", "src": f"{server.url}/first.tar.gz", "checksum": sha256(archive)},
            {"name": "second", "src": oci.replace(server.host, "registry.invalid")},
            {"name": "third", "src": f"{server.url}/third.tar.gz", "checksum": sha256(other), "remote_src": True},
        ],
    }
    site._host = {**site._host, **variables}
    return site


def run(site: Site, tasks: str, *options: str, **how: object) -> Run:
    environment = {"SESAME": SECRET, "_SOVEREIGN_VLLM_INTERVAL": "0.005"}
    done = site.run(tasks, options=["-vvv", *options], environment=environment, **how)
    assert SECRET not in done.output
    return done


def test_addresses(site: Site, server: ArtifactServer, examples: Path) -> None:
    # Nothing is downloaded only to say what would happen.
    predicted = run(site, ROLE + AUDIT, "--check")
    assert predicted[COMPARE]["verdict"] == "drifted"
    assert [one["drift"] for one in predicted[COMPARE]["adapters"]] == ["missing"] * 3
    assert [one["changed"] for one in predicted[STAGE]["artifacts"]] == [True] * 3
    assert (server.log, site.server.served()) == ([], {})

    done = run(site, ROLE + AUDIT)
    assert done[COMPARE]["verdict"] == "in_sync"
    assert re.search("controller: downloading adapter 'first' for 0 s, [01] (of 0 )?MB", done.output)
    assert "site: staging adapter 'third' from an address" in done.output
    assert [one["changed"] for one in done[STAGE]["artifacts"]] == [True] * 3
    expected = {"first": examples / "first", "second": examples / "second", "third": examples / "second"}
    digests = {name: directory_digest(str(example)) for name, example in expected.items()}
    served = site.server.served()
    assert served == {name: f"{site.artifacts}/store/{name}/{digest[7:19]}" for name, digest in digests.items()}

    # Another controller, without downloads and without their digests, asks the node for its versions.
    asked = len(server.log)
    again = run(site, ROLE + AUDIT)
    assert again[COMPARE]["verdict"] == "in_sync"
    assert [one["changed"] for one in again[STAGE]["artifacts"]] == [False] * 3
    assert len(server.log) == asked

    # A registry that answers with other bytes changes nothing.
    weights = (examples / "zero" / WEIGHTS).read_bytes()
    bad = server.push(server.files_as_layers(files_of(examples / "zero")))
    server.files[f"/v2/adapters/sql/blobs/{sha256(weights)}"] = Response(weights[:-1] + b"!")
    declared = [{"name": name, "src": bad, "remote_src": name == "third"} for name in ("first", "third")]
    refused = run(site, ROLE, rc=2, variables={"lora_adapters": json.dumps(declared)})
    for result in refused[STAGE]["artifacts"]:
        assert result["error"]["code"] == "artifact_invalid"
        assert "the source has other bytes" in result["msg"]
    assert site.server.served() == served


def test_what_is_downloaded_is_verified(site: Site, server: ArtifactServer) -> None:
    key = new_key()
    signed = files_of(sign(Path(site.artifact("sql")), key))
    packed = gzipped(signed)
    server.files["/sql.tar.gz"] = Response(packed)
    web = {"src": f"{server.url}/sql.tar.gz", "checksum": sha256(packed)}
    oci = {"src": server.push(server.files_as_layers(signed))}
    good = [{"name": "web", **web}, {"name": "oci", **oci}, {"name": "node", **oci, "remote_src": True}]
    policy = {"lora_trust": [{"keys": [pem(key)]}]}
    done = run(site, ROLE, variables={**policy, "lora_adapters": good})
    assert [one["signature"]["verified"] for one in done[STAGE]["artifacts"]] == [True] * 3
    served, asked = site.server.served(), len(server.log)
    assert sorted(served) == ["node", "oci", "web"]
    assert all((Path(path) / "model.sig").read_bytes() == signed["model.sig"] for path in served.values())
    store = site.artifacts / "store"

    # The signature of a version that lacks it is looked for at the source, and in check mode it is not.
    for path in served.values():
        (Path(path) / "model.sig").unlink()
    predicted = run(site, ROLE, "--check", variables={**policy, "lora_adapters": good})
    assert [one["changed"] for one in predicted[STAGE]["artifacts"]] == [False, False, True]
    assert len(server.log) == asked
    again = run(site, ROLE, variables={**policy, "lora_adapters": good})
    assert [one["signature"]["verified"] for one in again[STAGE]["artifacts"]] == [True] * 3
    assert (Path(served["node"]) / "model.sig").exists()
    before, asked = sorted(path for path in store.rglob("*") if path.is_file()), len(server.log)

    # What is known to be revoked is not downloaded.
    digest = done[STAGE]["artifacts"][0]["digest"]
    revoked = run(site, ROLE, rc=2, variables={**policy, "lora_adapters": good, "lora_revoked": [digest]})
    assert [one["error"]["code"] for one in revoked[STAGE]["artifacts"]] == ["revoked"] * 3
    assert len(server.log) == asked

    changed = {**signed, "adapter_config.json": signed["adapter_config.json"] + b"\n"}
    bare = {name: content for name, content in signed.items() if name != "model.sig"}
    server.files["/changed.tar.gz"] = Response(gzipped(changed))
    tampered = {"src": f"{server.url}/changed.tar.gz", "checksum": sha256(gzipped(changed))}
    unsigned = {"src": server.push(server.files_as_layers({**bare, "vocab.json": b"{}"}))}
    bad = [{"name": "web", **tampered}, {"name": "oci", **unsigned}, {"name": "node", **tampered, "remote_src": True}]
    refused = run(site, ROLE, rc=2, variables={**policy, "lora_adapters": bad})
    assert [one["error"]["code"] for one in refused[STAGE]["artifacts"]] == ["untrusted"] * 3
    assert "the file was changed after it was signed" in refused[STAGE]["artifacts"][0]["msg"]
    assert (site.server.served(), sorted(path for path in store.rglob("*") if path.is_file())) == (served, before)
