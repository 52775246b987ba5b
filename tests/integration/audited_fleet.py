# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet that the playbook sovereign.vllm.drift_audit audits: one site in sync, one that drifted and one that is off."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.stand_in import StandIn
from tests.support.playbook import ANSIBLE_PLAYBOOK

KEY = "sk-audit-5512"
LEFTOVER = "sql@sovereign.vllm-rehearsal"
HOSTILE = ("{{ lookup('ansible.builtin.pipe', 'touch $PWNED') }}", "<script>document.title='pwned'</script>")
# A play that only reports.
REPORT = [
    {
        "hosts": "vllm",
        "gather_facts": False,
        "tasks": [{"name": "Report", "ansible.builtin.import_role": {"name": "sovereign.vllm.drift_report"}}],
    }
]
# The tasks of drift_report_notify: each call appends a line to the file `told`. Then one of them fails.
TELL = [
    {
        "name": "Tell somebody",
        "ansible.builtin.shell": "cat >> {{ drift_report_written.notify | dirname }}/told",
        "args": {"stdin": "{{ drift_report_written.headline }}"},
    },
    {"name": "Fail to tell somebody else", "ansible.builtin.fail": {"msg": "a secret"}},
]


class Fleet:
    def __init__(self, directory: Path, examples: Path) -> None:
        self.directory = directory
        static = dict.fromkeys(("sql", LEFTOVER), str(examples / "first"))
        self.in_sync = StandIn(api_key=KEY, static=static)
        drifted = dict.fromkeys(HOSTILE, str(examples / "first"))
        self.drifted = StandIn(api_key=KEY, static={"sql": str(examples / "second"), **drifted})
        self.declared = [{"name": "sql", "path": str(examples / "first")}]
        self.declared_in = "lora_adapters"
        self.variables: dict[str, Any] = {"lora_prune": True}  # of the group, beside the declaration
        self.options: dict[str, Any] = {}  # of the plugin, besides
        self.more: list[dict] = []  # endpoints beside the three
        self.groups: dict[str, list[str]] = {}  # their hosts
        self.plain: dict[str, dict] = {}  # hosts that do not come from the plugin, and variables of those that do

    def audit(
        self,
        playbook: str = "sovereign.vllm.drift_audit",
        settings: Mapping[str, str] | None = None,
        **variables: object,
    ) -> subprocess.CompletedProcess[str]:
        """Run a playbook on the fleet; settings: what ansible.cfg would say, as variables of the environment."""
        urls = {"edge1": self.in_sync.url, "edge2": self.drifted.url, "edge3": "http://127.0.0.1:9"}
        endpoints = [{"name": name, "base_url": url} for name, url in urls.items()] + self.more
        (self.directory / "group_vars").mkdir(parents=True, exist_ok=True)
        inventory = {"plugin": "sovereign.vllm.vllm", "endpoints": endpoints, "timeout": 5, **self.options}
        (self.directory / "sites.vllm.yml").write_text(json.dumps(inventory))
        groups = {name: {"hosts": {host: {} for host in hosts}} for name, hosts in self.groups.items()}
        (self.directory / "plain.json").write_text(json.dumps({"vllm": {"hosts": self.plain}, **groups}))
        (self.directory / "group_vars" / "vllm.yml").write_text(
            json.dumps({**self.variables, self.declared_in: self.declared})
        )
        extra = {"drift_report_directory": "report", **variables}
        return subprocess.run(
            [ANSIBLE_PLAYBOOK, "-i", "plain.json", "-i", "sites.vllm.yml", playbook, "-e", json.dumps(extra)],
            cwd=self.directory,
            env={
                **os.environ,
                "VLLM_API_KEY": KEY,
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_SHOW_CUSTOM_STATS": "1",
                "PWNED": self.pwned,
                **(settings or {}),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def pwned(self) -> str:
        return str(self.directory / "pwned")

    def report(self) -> dict:
        return json.loads((self.directory / "report" / "drift.json").read_text())

    def page(self) -> str:
        return (self.directory / "report" / "drift.html").read_text()


def verdicts(report: dict) -> dict[str, str]:
    return {site["name"]: site["verdict"] for site in report["sites"]}
