# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules for artifacts: versions that need no source, sources that are encrypted, and how each module fails."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.lifecycle.from_the_artifact import changed, converge, packed, store, versions
from tests.stand_in import write_adapter
from tests.support.playbook import IN_WORKER, Run, run_playbook

from .conftest import NewSite

pytestmark = pytest.mark.timeout(400)
INDEX = ".checksums.json"


def checksum_of(file: str) -> str:
    return "sha256:" + hashlib.sha256(Path(file).read_bytes()).hexdigest()


def run_tasks(directory: Path, tasks: dict[str, dict[str, Any]], **how: Any) -> Run:
    """Run modules by the names of their tasks, all of them whatever becomes of the others."""
    listed = [{"name": name, "ignore_errors": True, **task} for name, task in tasks.items()]
    return run_playbook("\n".join(f"- {json.dumps(task)}" for task in listed), {"node": IN_WORKER}, directory, **how)


def test_a_version_that_is_staged_needs_no_source(new_site: NewSite) -> None:
    site = new_site()
    archive = packed(site, "sql")
    digest = f"{site.artifacts}/sources/sql"
    adapters = (
        {"name": "on-controller", "src": archive, "checksum": checksum_of(archive)},
        {"name": "on-node", "src": archive, "checksum": checksum_of(archive).upper().replace("SHA", "sha")},
        {"name": "directory", "src": digest},
    )
    adapters[1]["remote_src"] = True
    run = converge(site, *adapters)
    digests = {result["digest"] for result in run["Stage the artifacts"]["artifacts"]}
    adapters[2]["checksum"] = digests.pop()
    assert not digests, "one artifact"
    served = site.server.served()

    Path(archive).unlink()
    shutil.rmtree(digest)
    again = converge(site, *adapters, options=["-vvv"])
    assert changed(again) == []
    assert again.output.count("/modules/vllm_lora_artifacts.py") == 1, "one process looks for all of them"
    assert changed(converge(site, *adapters, options=["--check", "--diff"])) == []
    assert site.server.served() == served
    site.server.unload("on-node")
    assert site.server.served() != served
    converge(site, *adapters)
    assert site.server.served() == served, "it heals itself"

    # What has changed since is checked in the store.
    refused = converge(site, *adapters, lora_max_rank=1, rc=2)
    assert refused.output.count("max_rank is 1") >= len(adapters)
    for name in ("on-controller", "on-node"):
        (store(site) / name / INDEX).write_bytes(b'{"sha256:\xff')
    lost = converge(site, *adapters, rc=2)
    codes = [one.get("error", {}).get("code") for one in lost["Stage the artifacts"]["artifacts"]]
    assert codes == ["artifact_not_found", "artifact_not_found", None]
    assert all(len(versions(site, name)) == 1 for name in ("on-controller", "on-node"))
    packed(site, "sql")
    adapters[0]["checksum"] = adapters[1]["checksum"] = checksum_of(archive)
    assert changed(converge(site, *adapters)) == [], "with the archive again, it is remembered again"
    assert set(json.loads((store(site) / "on-node" / INDEX).read_text())) == {checksum_of(archive)}


def test_what_ansible_vault_encrypted_is_staged_as_it_was(tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter")
    archive = shutil.make_archive(str(tmp_path / "sql"), "gztar", adapter)
    (tmp_path / "password").write_text("correct horse")
    vaulted = shutil.copytree(adapter, tmp_path / "vaulted")
    checksum = checksum_of(archive)
    encrypt = [Path(sys.executable).with_name("ansible-vault"), "encrypt", "--vault-password-file"]
    files = [archive, vaulted / "adapter_config.json"]
    subprocess.run([*encrypt, tmp_path / "password", *files], check=True, capture_output=True)

    def stage(name: str, **options: Any) -> dict[str, Any]:
        return {"sovereign.vllm.vllm_lora_artifact": {"name": name, "store": str(tmp_path / "store"), **options}}

    tasks = {
        "plain": stage("plain", src=str(adapter)),
        "archive": stage("archive", src=archive, checksum=checksum),
        "directory": stage("directory", src=str(vaulted)),
        "as it is": stage("as-it-is", src=archive, decrypt=False),
    }
    run = run_tasks(tmp_path / "run", tasks, options=["--vault-password-file", str(tmp_path / "password")])
    assert {run[name]["digest"] for name in ("plain", "archive", "directory")} == {run["plain"]["digest"]}
    assert run["as it is"].code == "artifact_invalid"
    without = run_tasks(tmp_path / "without", {"archive": stage("other", src=archive)})
    assert without["archive"].code == "invalid_request"
    assert without["archive"].msg.startswith(f"Could not decrypt '{archive}': ")
    home = tmp_path / "run" / "home"
    # The index of checksums has no content.
    left = [path for path in home.rglob("*") if path.is_file() and path.parent != home / "sovereign_vllm"]
    assert left == [], "nothing that was decrypted stays on the controller"


def test_each_failure_has_its_code_and_its_sentence(tmp_path: Path) -> None:
    good, bad = write_adapter(tmp_path / "good", rank=8), write_adapter(tmp_path / "bad", rank=8)
    (bad / "adapter_model.safetensors").unlink()
    (tmp_path / "file").touch()

    def artifact(**options: Any) -> dict[str, Any]:
        given = {"name": "sql", "src": str(good), "store": str(tmp_path / "store"), **options}
        return {"sovereign.vllm.vllm_lora_artifact": {key: one for key, one in given.items() if one is not None}}

    def info(**options: Any) -> dict[str, Any]:
        return {"sovereign.vllm.vllm_lora_artifact_info": {"path": str(bad), **options}}

    def prune(**options: Any) -> dict[str, Any]:
        given = {"store": str(tmp_path / "store"), "names": ["sql"], "roots": []}
        return {"sovereign.vllm.vllm_lora_store": {**given, **options}}

    on_node = {"remote_src": True}
    tasks: dict[str, tuple[str, str, dict[str, Any]]] = {
        "invalid": ("artifact_invalid", f"Could not stage adapter 'sql' from '{bad}': ", artifact(src=str(bad))),
        "invalid there": ("artifact_invalid", f"from '{bad}': ", artifact(src=str(bad), **on_node)),
        "missing": ("artifact_not_found", "there is no directory or archive 'nothing'; copy", artifact(src="nothing")),
        "missing there": ("artifact_not_found", "archive '/nothing'; copy", artifact(src="/nothing", **on_node)),
        "no rank": ("invalid_request", "Option max_rank is 0; ", artifact(max_rank=0)),
        "no checksum": ("invalid_request", "Option checksum is 'md5:1'; ", artifact(checksum="md5:1")),
        "no number": ("invalid_request", "see ansible-doc sovereign.vllm.vllm_lora_artifact.", artifact(max_rank="x")),
        "no source": ("invalid_request", "one of the following is required: src, digest", artifact(src=None)),
        "unknown": ("invalid_request", "Unsupported parameters for (sovereign.vllm.vllm_lora_", artifact(sr="x")),
        "no store": ("store_error", "cannot be written: ", artifact(store=str(tmp_path / "file"))),
        "no owner": ("store_error", "nobody-here", artifact(owner="nobody-here")),
        "name": ("invalid_request", "Option name has 0 characters", artifact(name="")),
        "info": ("invalid_request", "Option max_rank is -1; ", info(max_rank=-1)),
        "info unknown": ("invalid_request", "Unsupported parameters for (sovereign.vllm.vllm_lora_", info(x=1)),
        "prune": ("invalid_request", "Option keep is -1; give 0 or more.", prune(keep=-1)),
        "prune unknown": ("invalid_request", "Unsupported parameters for (sovereign.vllm.vllm_lora_", prune(x=1)),
    }
    as_documented = {"register": "artifact", "failed_when": "not artifact.valid"}
    given = {name: task for name, (_code, _words, task) in tasks.items()}
    run = run_tasks(tmp_path / "run", {**given, "as documented": {**info(), **as_documented}})
    for name, (code, words, _task) in tasks.items():
        assert run[name].status == "failed", name
        assert (run[name].code, words in run[name].msg) == (code, True), (name, run[name].values)
        assert set(run[name]["error"]) == {"code", "http_status", "detail", "hint", "retryable"}, name
        assert run[name]["error"]["hint"] and run[name]["error"]["http_status"] is None, name
    assert run["as documented"].status == "failed"
    assert run["as documented"].msg.startswith(f"Could not serve '{bad}': ")
    assert all(problem in run["as documented"].msg for problem in run["as documented"]["problems"])
    assert "Unknown error" not in run.output and "Traceback" not in run.output
