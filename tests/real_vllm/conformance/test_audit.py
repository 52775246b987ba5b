# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit of a real server finds other weights and lost directories, and writes nothing."""

from __future__ import annotations

from typing import Any

from tests.support.playbook import TaskResult
from tests.support.site import Site

RECORD = """
- name: take
  sovereign.vllm.vllm_smoke_test: {models: [sql], fingerprint: true}
  register: taken
- name: record
  sovereign.vllm.vllm_fingerprints:
    directory: "{{ lora_fingerprints }}"
    served_names: {sql: sql}
    taken: "{{ taken.fingerprints }}"
"""
AUDIT = """
- name: audit
  ansible.builtin.import_role: {name: sovereign.vllm.lora, tasks_from: audit}
"""


def test_weights_and_directories(site: Site) -> None:
    path, lost = site.artifact("sql"), site.artifact("lost", "second")
    site.server.load("sql", path)
    site.server.load("lost", lost)
    variables: dict[str, Any] = {
        "vllm_base_url": "{{ url }}",
        "vllm_timeout": 200,
        "lora_fingerprints": f"{site.artifacts}/fingerprints",
        "lora_adapters": [{"name": "sql", "path": path}, {"name": "lost", "path": lost}],
    }
    if site.server.api_key:
        variables["vllm_api_key"] = site.server.api_key
    site.run(RECORD, variables=variables)

    def audited(asked: set[str], **switches: bool) -> TaskResult:
        found = site.run(AUDIT, variables={**variables, **switches})["Compare the server with the declaration"]
        assert {request.split("?")[0] for request in site.asked if not request.startswith("GET ")} == asked
        return found

    completions = {"POST /v1/completions"}
    assert audited(completions, drift_audit_weights=True)["verdict"] == "in_sync"
    assert audited(set())["verdict"] == "in_sync"
    # Somebody overwrites the files, and loads them from the same path. And a directory is gone.
    site.artifact("sql", "second")
    site.server.unload("sql")
    site.server.load("sql", path)
    config = site.artifacts / "lost" / "adapter_config.json"
    kept = config.rename(config.with_suffix(".kept"))
    try:
        assert audited(set())["verdict"] == "in_sync", "no list shows it"
        found = audited(completions, drift_audit_weights=True)
    finally:
        kept.rename(config)
    assert found["verdict"] == "drifted"
    assert {entry["name"]: entry["drift"] for entry in found["adapters"]} == {"sql": "weights", "lost": "none"}
    assert [finding["id"] for finding in found["findings"]] == ["directory_gone"]
    assert site.server.healthy()
