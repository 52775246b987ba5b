# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Artifacts that a standard client has pushed to a real registry, and archives of a real web server."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import oras.client
import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.digest import directory_digest

from tests.stand_in import write_adapter
from tests.support.archives import files_of
from tests.support.artifact_changes import rewrite_weights
from tests.support.artifact_server import sha256
from tests.support.playbook import AS_MODULE, IN_WORKER, kill_playbook, run_playbook, start_playbook

from .conftest import PASSWORD, USER, Servers

pytestmark = pytest.mark.timeout(300)
MODELPACK = "application/vnd.cncf.model."


@pytest.fixture
def pushed(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Name → address of one adapter, pushed by oras in different forms."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(servers.authority))
    monkeypatch.chdir(tmp_path)
    adapter = write_adapter(tmp_path / "sql", rank=8)
    (adapter / "README.md").write_text("nothing that vLLM reads")
    closed = oras.client.OrasClient(hostname=servers.closed, auth_backend="basic")
    closed.login(USER, PASSWORD, hostname=servers.closed, config_path=str(tmp_path / "auth.json"))
    plain = oras.client.OrasClient(hostname=servers.open, insecure=True)
    names = [f"sql/{name}" for name in files_of(adapter)]
    annotations = {name: {"org.cncf.model.filepath": name} for name in names}
    (tmp_path / "annotations.json").write_text(json.dumps(annotations))
    weights = f"{MODELPACK}weight.v1.raw"
    pushes = {
        "files": closed.push(f"{servers.closed}/adapters/sql:files", files=names, quiet=True),
        "directory": plain.push(f"{servers.open}/sql:directory", files=["sql"], quiet=True),
        "modelpack": plain.push(
            f"{servers.open}/sql:modelpack",
            files=[f"{name}:{weights}" for name in names],
            annotation_file=str(tmp_path / "annotations.json"),
            quiet=True,
        ),
    }
    repositories = {"files": f"{servers.closed}/adapters/sql"}
    return {
        form: f"oci://{repositories.get(form, f'{servers.open}/sql')}@{response.headers['Docker-Content-Digest']}"
        for form, response in pushes.items()
    }


def test_each_form_is_the_same_adapter(servers: Servers, pushed: dict[str, str], tmp_path: Path) -> None:
    archive = shutil.make_archive(str(servers.files / "sql"), "gztar", tmp_path / "sql")
    checksum = sha256(Path(archive).read_bytes())
    login = {"host": servers.closed, "username": USER, "secret_env": "SESAME"}
    trusted = {"source_ca_path": str(servers.authority)}
    auth_file = {"source_auth_file": str(tmp_path / "auth.json")}
    cases: dict[str, dict] = {
        # The controller downloads once, so the refused ones come first.
        "no login": {"src": pushed["files"], **trusted},
        "wrong login": {"src": pushed["files"], **trusted, "source_credentials": [{**login, "secret_env": "WRONG"}]},
        "no authority": {"src": pushed["files"], **auth_file},
        "no TLS": {"src": pushed["modelpack"]},
        "no file": {"src": f"https://{servers.web}/gone.tar.gz", "checksum": checksum, **trusted},
        "auth file": {"src": pushed["files"], **trusted, **auth_file},
        "variable": {"src": pushed["files"], **trusted, "source_credentials": [login]},
        "directory": {"src": pushed["directory"], "source_plain_http": [servers.open]},
        "modelpack": {"src": pushed["modelpack"], "source_plain_http": [servers.open]},
        "archive": {"src": f"https://{servers.web}/sql.tar.gz", "checksum": checksum, **trusted},
        "mirror": {
            "src": "https://origin.invalid/sql.tar.gz",
            "checksum": checksum,
            "source_mirrors": {"https://origin.invalid/": [f"https://{servers.web}/{name}" for name in ("no/", "")]},
            **trusted,
        },
    }
    codes = {
        "no login": "unauthorized",
        "wrong login": "unauthorized",
        "no authority": "download_failed",
        "no TLS": "download_failed",
        "no file": "artifact_not_found",
    }
    # Names differ, so that each case has to look for its artifact.
    tasks = [
        {
            "name": case,
            "sovereign.vllm.vllm_lora_artifact": {
                "name": case,
                "store": "{{ store }}",
                "remote_src": "{{ by_node }}",
                **options,
            },
            "ignore_errors": True,
        }
        for case, options in cases.items()
    ]
    hosts = {
        "by-controller": {**IN_WORKER, "store": str(tmp_path / "one"), "by_node": False},
        "by-node": {**AS_MODULE, "store": str(tmp_path / "two"), "by_node": True},
    }
    environment = {"SESAME": PASSWORD, "WRONG": "closed sesame", "HOME": str(tmp_path / "nobody")}
    run = run_playbook(json.dumps(tasks), hosts, tmp_path / "run", environment=environment, options=["-vvv"])
    assert PASSWORD not in run.output
    digest = directory_digest(str(tmp_path / "sql"))
    for case in cases:
        for host, result in run.of(case).items():
            assert result.code == codes.get(case), (case, host, result.values)
            if case not in codes:
                assert (result.changed, result["digest"]) == (True, digest), (case, host)
                assert "README.md" not in files_of(Path(result["path"]))
            else:
                assert not list((tmp_path / hosts[host]["store"] / case).glob("[0-9a-f]*"))


def test_killed_downloads_are_continued(servers: Servers, tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "sql", rank=8)
    size = 2**17
    rewrite_weights(
        adapter,
        {
            "model.layers.0.mlp.down_proj.lora_A.weight": [8, size],
            "model.layers.0.mlp.down_proj.lora_B.weight": [size, 8],
        },
    )
    weights = adapter / "adapter_model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: -(2**20)] + os.urandom(2**20))
    archive = shutil.make_archive(str(servers.files / "big"), "tar", adapter)
    options = {
        "name": "sql",
        "src": "https://{{ web }}/slow/big.tar",
        "checksum": sha256(Path(archive).read_bytes()),
        "store": "{{ store }}",
        "remote_src": "{{ by_node }}",
        "source_ca_path": str(servers.authority),
    }
    hosts = {
        "by-controller": {**IN_WORKER, "store": str(tmp_path / "one"), "by_node": False},
        "by-node": {**AS_MODULE, "store": str(tmp_path / "two"), "by_node": True},
    }
    task = "- {name: Stage, sovereign.vllm.vllm_lora_artifact: %s}"
    variables = {"web": servers.web}
    places = [tmp_path / "run" / "home" / "sovereign_vllm" / "artifacts", tmp_path / "two" / "sql"]
    playbook = start_playbook(task % json.dumps(options), hosts, tmp_path / "run", variables=variables)
    deadline = time.monotonic() + 120
    while not all(any(file.stat().st_size for file in place.rglob("*.part")) for place in places):
        assert playbook.poll() is None, playbook.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    kill_playbook(playbook)
    playbook.communicate()
    assert not [path for store in ("one", "two") for path in (tmp_path / store).glob("*/[0-9a-f]*")]
    # The same bytes at another address.
    options["source_mirrors"] = {"https://{{ web }}/slow/": ["https://{{ web }}/"]}
    mirrored = {**options, "source_mirrors": {f"https://{servers.web}/slow/": [f"https://{servers.web}/"]}}
    run = run_playbook(task % json.dumps(mirrored), hosts, tmp_path / "run", variables=variables)
    digest = directory_digest(str(adapter))
    for result in run.of("Stage").values():
        assert (result.changed, result["digest"]) == (True, digest)
        assert directory_digest(result["path"]) == digest
    continued = [line for line in servers.log if line.startswith("/big.tar 206")]
    assert len(continued) == 2, servers.log
    assert not [path for place in places for path in place.rglob("*.part")]
