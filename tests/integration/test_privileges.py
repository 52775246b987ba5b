# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Privileges that are escalated for the nodes are none of the controller's, and none that a request needs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.stand_in import Fault, StandIn
from tests.support.guide import shell
from tests.support.playbook import IN_WORKER
from tests.support.server import Server

MUTE = Fault("POST", "/v1/completions", "answer", status=500, text="EngineCore is gone")
# How an operator would tell Ansible for work of another kind: in ansible.cfg, by an option, or for all hosts.
FORMS: dict[str, tuple[Mapping[str, str], str, Mapping[str, Any]]] = {
    "ansible.cfg": ({"ANSIBLE_BECOME": "true", "ANSIBLE_BECOME_USER": "nobody"}, "", {}),
    "option": ({}, "--become --become-user nobody", {}),
    "variable": ({}, "", {"ansible_become": True, "ansible_become_user": "nobody"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_asked_for_privileges(examples: Path, tmp_path: Path, form: str) -> None:
    asked = tmp_path / "asked"
    sudo = tmp_path / "sudo"
    sudo.write_text(f'#!/bin/sh\necho "$@" >> {shlex.quote(str(asked))}\nexit 1\n')
    sudo.chmod(0o755)
    settings, option, variables = FORMS[form]
    environment = {**settings, "ANSIBLE_BECOME_EXE": str(sudo)}
    declared = [{"name": "sql", "path": str(examples / "first")}]
    with StandIn() as canary, StandIn(static={"old": examples / "second"}) as mute, StandIn() as lost:
        mute.faults.add(MUTE)
        far = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}
        hosts = {
            "canary": {**IN_WORKER, "vllm_base_url": canary.url},
            "mute": {**far, "vllm_base_url": mute.url, "vllm_ask_from": "controller"},
        }
        common = {**variables, "vllm_retries": 0, "lora_adapters": declared}
        inventory = {"all": {"vars": common}, "vllm": {"hosts": hosts}}
        (tmp_path / "sites.json").write_text(json.dumps(inventory))
        lost.load("gone", examples / "first")
        drift = {"endpoint": "edge", "base_url": lost.url, "declared": {"adapters": declared}, "connection": {}}
        (tmp_path / "event.json").write_text(json.dumps({"ansible_eda": {"event": {"drift": drift}}}))

        def run(playbook: str, rc: int = 0) -> str:
            return shell(
                f"ansible-playbook -i sites.json {option} sovereign.vllm.{playbook}", tmp_path, rc, environment
            )

        run("drift_audit")
        report = json.loads((tmp_path / "drift_report" / "drift.json").read_text())
        assert {site["name"]: site["verdict"] for site in report["sites"]} == {"canary": "drifted", "mute": "drifted"}
        # The last one fails, and is taken back.
        run("converge", rc=2)
        assert list(Server(canary.url).served()) == ["sql"]
        assert list(Server(mute.url).served()) == ["old"]
        assert {"/v1/load_lora_adapter", "/v1/unload_lora_adapter"} <= {write.path for write in mute.writes}
        run("heal -e @event.json")
        assert sorted(Server(lost.url).served()) == ["gone", "sql"]
    assert not asked.exists(), asked.read_text()
