# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only artifacts that a trusted key has signed reach a server, and what is revoked leaves it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.integration.lifecycle.from_the_artifact import STAGE, converge, store, variables, versions
from tests.support.signing import key_text, new_key, pem, sign, signed_by_the_tool
from tests.support.site import Site

from .conftest import NewSite

pytestmark = pytest.mark.timeout(300)
READ = "Read the variables of the role"
AUDIT_AND_CONVERGE = """
- name: audit
  ansible.builtin.include_role: {name: sovereign.vllm.lora, tasks_from: audit}
- name: report
  ansible.builtin.include_role: {name: sovereign.vllm.drift_report}
- name: declared
  sovereign.vllm.vllm_lora_adapters:
    adapters: [{name: sql, path: "{{ old }}"}]
    revoked: ["{{ digest }}"]
  register: declared
  ignore_errors: true
- name: predicted
  sovereign.vllm.vllm_lora_adapters:
    adapters: [{name: sql, path: "{{ old }}"}]
    revoked: ["{{ digest }}"]
  check_mode: true
- name: taken away
  sovereign.vllm.vllm_lora_adapters:
    adapters: [{name: sql, path: "{{ new }}"}]
    prune_exclude: [copy]
    revoked: ["{{ digest }}"]
- name: in sync
  sovereign.vllm.vllm_lora_adapters:
    adapters: [{name: sql, path: "{{ new }}"}]
    revoked: ["{{ digest }}"]
"""
BROKEN_SUCCESSOR = """
- name: broken
  sovereign.vllm.vllm_lora_adapters:
    adapters: [{name: sql, path: /nowhere}]
    revoked: ["{{ digest }}"]
  register: broken
  ignore_errors: true
"""


def writes(site: Site) -> list[str]:
    return [request for request in site.asked if request.endswith("load_lora_adapter")]


def test_an_artifact_without_a_trusted_signature_never_reaches_the_server(new_site: NewSite, tmp_path: Path) -> None:
    site, key, other = new_site(), new_key(), new_key()
    (tmp_path / "release.pub").write_text(pem(key))
    policy = [
        {"names": ["scratch-*"], "mode": "warn"},
        {"names": ["tool"], "keys": [key_text("authority.pem")], "licences": ["apache-2.0"]},
        {"keys": [str(tmp_path / "release.pub")]},
    ]
    signed = {"name": "sql", "src": str(sign(Path(site.artifact("sql")), key))}
    tool = {"name": "tool", "src": str(signed_by_the_tool(site.artifacts / "tool", "certificate"))}
    scratch = {"name": "scratch-1", "src": site.artifact("scratch"), "remote_src": True}
    run = converge(site, signed, tool, scratch, lora_trust=policy)
    served, before = site.server.served(), sorted(store(site).rglob("*"))
    assert sorted(served) == ["scratch-1", "sql", "tool"]
    results = {item["name"]: item for item in run[STAGE]["artifacts"]}
    assert {name: item["signature"]["verified"] for name, item in results.items()} == {
        "sql": True,
        "tool": True,
        "scratch-1": False,
    }
    assert results["tool"]["signature"]["signer"] == "O=Acme,CN=Release 2026"
    # Older releases of ansible-core print the warnings of a loop, and leave them out of its results.
    assert "scratch-1 is not trusted" in " ".join(run.output.split())

    # The store has the version, so neither the source nor its signature is needed on the controller.
    digest = results["sql"]["digest"]
    shutil.rmtree(site.artifacts / "sql")
    run = converge(site, {**signed, "digest": digest}, tool, scratch, lora_trust=policy)
    assert (run[STAGE]["artifacts"][0]["signature"]["verified"], writes(site)) == (True, [])

    sign(Path(site.artifact("sql", "second")), key)
    config = site.artifacts / "sql" / "adapter_config.json"
    config.write_text(config.read_text() + "\n")
    sign(Path(site.artifact("foreign", "second")), other)
    bad = [
        signed,
        {"name": "unsigned", "src": site.artifact("unsigned")},
        {"name": "foreign", "src": f"{site.artifacts}/foreign"},
        {"name": "node", "src": f"{site.artifacts}/sql", "remote_src": True},
        {"name": "archive", "src": shutil.make_archive(f"{site.artifacts}/packed", "gztar", site.artifacts / "sql")},
        {**tool, "src": f"{site.artifacts}/unsigned"},
    ]
    run = converge(site, *bad, rc=2, lora_trust=policy)
    assert {item["name"]: item["error"]["code"] for item in run[STAGE]["artifacts"]} == {
        adapter["name"]: "untrusted" for adapter in bad
    }
    assert "'adapter_config.json': the file was changed" in run[STAGE]["artifacts"][3]["msg"]
    assert writes(site) == []
    run = converge(site, {"name": "sql", "path": served["sql"]}, rc=2, lora_trust=policy)
    assert (run[READ].code, site.asked) == ("untrusted", [])
    assert "lora_adapters declares 'sql' by a path" in run[READ].msg
    run = converge(site, signed, rc=2, lora_trust=[{"keys": ["missing.pub"]}])
    assert (run[READ].code, site.asked) == ("invalid_request", [])
    assert "item 1 of lora_trust names the file 'missing.pub'" in run[READ].msg
    run = converge(site, {"name": "sql", "digest": digest}, rc=2, lora_trust=policy, lora_revoked=[digest])
    assert (run[STAGE]["artifacts"][0]["error"]["code"], writes(site)) == ("revoked", [])
    assert (site.server.served(), sorted(store(site).rglob("*"))) == (served, before)


def test_what_is_served_from_a_revoked_digest_is_drift_and_goes(new_site: NewSite, tmp_path: Path) -> None:
    site = new_site()
    converge(site, {"name": "sql", "src": site.artifact("sql")})
    (old,) = versions(site)
    site.server.load("copy", old)
    digest = digest_of(site)
    given = variables(site, ({"name": "sql", "path": old},), {"lora_revoked": [digest]})
    report = {"drift_report_directory": str(tmp_path / "report"), "drift_report_fail_on": []}
    new = site.artifact("other", "second")
    run = site.run(AUDIT_AND_CONVERGE, variables={**given, **report, "old": old, "new": new, "digest": digest})
    audit = run["Compare the server with the declaration"]
    assert audit["verdict"] == "drifted"
    assert [(one["name"], one["drift"], one["action"]) for one in audit["adapters"]] == [
        ("sql", "revoked", "none"),
        ("copy", "revoked", "unload"),
    ]
    assert "the declaration has adapters whose artifact is revoked: 'sql'" in " ".join(audit.warnings)
    fleet = json.loads((tmp_path / "report" / "drift.json").read_text())
    cells = fleet["sites"][0]["adapters"]
    assert [(cell["verdict"], cell["drift"]) for cell in cells] == [("revoked", "revoked")] * 2
    assert 'class="revoked"' in (tmp_path / "report" / "drift.html").read_text()
    assert f"copy is served from {old}, which is revoked" in run.output

    declared, predicted = run["declared"], run["predicted"]
    assert (declared.code, declared.changed) == ("revoked", False)
    assert declared["adapters"][0]["path"] == old
    assert (predicted.status, predicted["verdict"], predicted["summary"]["revoked"]) == ("ok", "drifted", 2)
    gone = run["taken away"]
    assert [(one["name"], one["drift"], one["action"]) for one in gone["adapters"]] == [
        ("sql", "revoked", "reload"),
        ("copy", "revoked", "unload"),
    ]
    assert (run["in sync"].changed, run["in sync"]["verdict"]) == (False, "in_sync")
    assert site.server.served() == {"sql": new}
    assert a_broken_successor(site, old, digest) == {}


def a_broken_successor(site: Site, old: str, digest: str) -> dict[str, str]:
    """What is served when the artifact cannot be loaded that was to replace a revoked one."""
    site.server.unload("sql")
    site.server.load("sql", old)
    run = site.run(BROKEN_SUCCESSOR, variables={"digest": digest})
    assert run["broken"].status == "failed"
    return site.server.served()


def digest_of(site: Site) -> str:
    task = "- name: inspected\n  sovereign.vllm.vllm_lora_artifact_info: {path: '{{ artifacts }}/sql'}"
    return site.run(task)["inspected"]["digest"]
