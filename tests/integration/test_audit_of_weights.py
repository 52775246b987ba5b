# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit that compares the weights in the memory of servers, and looks for their directories on the nodes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from ansible_collections.sovereign.vllm.plugins.module_utils._operations.vllm_smoke_test import DEFAULT_PROMPTS

from tests.stand_in import Fault
from tests.support.playbook import IN_WORKER, Run
from tests.support.site import Site, run_on_all

from .conftest import NewSite

RECORD = """
- name: take
  sovereign.vllm.vllm_smoke_test: {models: [sql], fingerprint: true, warn_of: [stale_prefix_cache]}
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
- name: report
  ansible.builtin.import_role: {name: sovereign.vllm.drift_report}
  run_once: true
"""
COMPARE = "Compare the server with the declaration"
WAIVER = {"site": "waived", "drift": "weights", "until": "2999-12-31", "reason": "a trial"}


class Fleet:
    def __init__(self, directory: Path, new_site: NewSite) -> None:
        self.directory = directory
        self.recorded = directory / "fingerprints"
        self.sites = {name: new_site() for name in CASES}
        for name, site in self.sites.items():
            site.artifact("sql")
            if name == "stale":
                self.load_other_weights(site)
                site.server.complete("sql", prompt=DEFAULT_PROMPTS[0])
                self.load(site, "first")
            elif name != "absent":
                self.load(site, "first")

    def load(self, site: Site, example: str) -> None:
        """Load these weights from the one path, which every list shows."""
        path = site.artifact("sql", example)
        if site.server.served():
            site.server.unload("sql")
        site.server.load("sql", path)

    def load_other_weights(self, site: Site) -> None:
        self.load(site, "second")

    def run(self, tasks: str, **variables: Any) -> Run:
        for site in self.sites.values():
            site.watched.clear_log()
        known = {
            "lora_adapters": "{{ [{'name': 'sql', 'path': artifacts ~ '/sql'}] }}",
            "vllm_base_url": "{{ url }}",
            "vllm_retries": 0,
            "lora_fingerprints": str(self.recorded),
            "drift_report_directory": str(self.directory / "report"),
            "drift_report_waivers": [WAIVER],
        }
        run = self.directory / f"run{len(list(self.directory.glob('run*')))}"
        return run_on_all(self.sites, tasks, run, rc=None, variables={**known, **variables}, options=["--diff"])

    def asked(self, name: str) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.sites[name].watched.log]

    def report(self) -> dict[str, dict[str, Any]]:
        report = json.loads((self.directory / "report" / "drift.json").read_text())
        return {site["name"]: site for site in report["sites"]}


# The verdict, the drift of the adapter, the findings, and what a note tells.
CASES: dict[str, tuple[str, str, list[str], str]] = {
    "right": ("in_sync", "none", [], ""),
    "swapped": ("drifted", "weights", [], "log-probabilities differ by up to"),
    "waived": ("drifted", "weights", [], "log-probabilities differ by up to"),
    "unrecorded": ("in_sync", "none", [], "of 'sql' were not compared, since no fingerprint was recorded"),
    "moved": ("in_sync", "none", [], "recorded from other paths"),
    "upgraded": ("in_sync", "none", [], "recorded with another release or base model"),
    "silent": ("in_sync", "none", [], "the server gives no log-probabilities"),
    "stale": ("in_sync", "none", ["stale_prefix_cache"], ""),
    "mute": ("in_sync", "none", ["adapter_does_not_answer"], ""),
    "gone": ("in_sync", "none", ["directory_gone"], ""),
    "absent": ("drifted", "missing", [], ""),
}


def spoil(fleet: Fleet) -> None:
    """Change each site after its fingerprint was taken."""
    sites = fleet.sites
    for name in ("swapped", "waived"):
        fleet.load_other_weights(sites[name])
    (fleet.recorded / "unrecorded.json").unlink()
    for name, key in {"moved": "path", "upgraded": "version"}.items():
        file = fleet.recorded / f"{name}.json"
        found = json.loads(file.read_text())
        found["sql"][key] = "/other" if key == "path" else "0.31.0"
        file.write_text(json.dumps(found))
    sites["silent"].watched.settings.max_logprobs = 0
    sites["mute"].watched.faults.add(Fault("POST", "/v1/completions", "answer", status=500))
    shutil.rmtree(sites["gone"].artifacts / "sql")


def test_weights_and_directories(new_site: NewSite, tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, new_site)
    fleet.run(RECORD)
    assert {file.stem for file in fleet.recorded.iterdir()} == set(CASES) - {"absent"}
    spoil(fleet)

    # Without the switch, an audit sends no completion, and takes every one of them for right.
    audit = fleet.run(AUDIT)
    for name in fleet.sites:
        assert {asked.split()[0] for asked in fleet.asked(name)} == {"GET"}, name
    without = fleet.report()
    assert {name: site["verdict"] for name, site in without.items()} == {
        **dict.fromkeys(CASES, "in_sync"),
        "absent": "drifted",
    }
    assert {name: (site["findings"], site["notes"]) for name, site in without.items()} == dict.fromkeys(CASES, ([], []))

    audit = fleet.run(AUDIT, drift_audit_weights="yes")
    report = fleet.report()
    for name, (verdict, drift, findings, note) in CASES.items():
        site, (cell,) = report[name], report[name]["adapters"]
        assert (site["verdict"], cell["drift"]) == (verdict, drift), name
        assert [finding["id"] for finding in site["findings"]] == findings, name
        assert note in " ".join(site["notes"]) and bool(note) == bool(site["notes"]), name
        posts = [asked for asked in fleet.asked(name) if not asked.startswith("GET ")]
        # Nothing is written, and nobody asks an adapter whose directory is gone: that can kill the server.
        expected = {"absent": 0, "gone": 0, "unrecorded": 0, "moved": 0, "right": 2, "upgraded": 2}
        assert set(posts) <= {"POST /v1/completions"}
        assert len(posts) == expected.get(name, len(posts)), name
        # An approved plan stays approved, whoever measures.
        assert site["plan_id"] == without[name]["plan_id"]
    results = audit.of(COMPARE)
    swapped = results["swapped"]
    assert (swapped.changed, swapped["verdict"], swapped["summary"]["weights"]) == (False, "drifted", 1)
    assert "gives no log-probabilities" in results["silent"].warnings[0]
    assert (report["waived"]["counts_as"], report["swapped"]["counts_as"]) == ("in_sync", "drifted")
    page = (tmp_path / "report" / "drift.html").read_text()
    path = fleet.sites["swapped"].artifacts / "sql"
    told = f"is served from {path}, with other weights than the fingerprint that was recorded"
    assert told in " ".join(audit.output.split())
    assert f"has other weights than the fingerprint that was recorded: <code>{path}</code>" in page
    assert "is gone from the node" in page


def test_directories_where_the_node_is_not_at_hand(new_site: NewSite, tmp_path: Path) -> None:
    """The findings of an audit name the directory only of a server that runs on the node, through its container."""
    ssh = {**IN_WORKER, "ansible_connection": "ssh", "ansible_host": "127.0.0.1", "vllm_ask_from": "controller"}
    hosts: dict[str, dict[str, Any]] = {
        "container": {**IN_WORKER, "lora_server_store": "{{ artifacts }}", "lora_store": f"{tmp_path}/on-the-node"},
        "elsewhere": {**IN_WORKER, "lora_server_store": "/adapters"},
        "over-ssh": ssh,
    }
    sites = {name: new_site(host=host) for name, host in hosts.items()}
    for site in sites.values():
        site.server.load("sql", site.artifact("sql"))
        site.watched.clear_log()
    variables = {"lora_adapters": [], "vllm_base_url": "{{ url }}", "drift_audit_findings": True}
    done = run_on_all(sites, AUDIT.split("- name: report", maxsplit=1)[0], tmp_path / "run", variables=variables).of(
        COMPARE
    )
    gone = {
        name: [f["message"] for f in result["findings"] if f["id"] == "directory_gone"] for name, result in done.items()
    }
    assert {name: bool(found) for name, found in gone.items()} == {
        "container": True,
        "elsewhere": False,
        "over-ssh": False,
    }
    assert f"'{tmp_path}/on-the-node/sql'" in gone["container"][0]
    notes = {name: " ".join(result["notes"]) for name, result in done.items()}
    assert notes["container"] == ""
    assert "of 'sql' were not checked, since it is not known where they are on the node" in notes["elsewhere"]
    assert "since the node is not at hand" in notes["over-ssh"]
    for site in sites.values():
        assert {request.method for request in site.watched.log} == {"GET"}
