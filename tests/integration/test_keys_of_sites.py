# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each site is audited and healed by its own key and connection, and never gets the key of the fleet instead."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.stand_in import Fault, StandIn
from tests.support.guide import shell
from tests.support.playbook import AS_MODULE, IN_WORKER

FLEET = {"VLLM_API_KEY": "sk-of-the-fleet"}


def test_the_audit_speaks_to_a_site_as_the_role_does(examples: Path, tmp_path: Path) -> None:
    declared = [
        {"name": "sql", "path": str(examples / "first"), "trained_for": "tiny"},
        {"name": "gone", "src": "gone.tar.gz", "state": "absent"},
    ]
    served = {"sql": str(examples / "first")}
    with StandIn(api_key="sk-own", static=served) as own, StandIn() as unresolved, StandIn() as silent:
        silent.faults.add(Fault("GET", "/", "silence"))
        hosts = {
            "own": {"vllm_base_url": own.url, "vllm_api_key": "sk-own"},
            "unresolved": {"vllm_base_url": unresolved.url, "vllm_api_key": "{{ nowhere }}"},
            "silent": {"vllm_base_url": silent.url, "vllm_timeout": 0.25, "vllm_retries": 0},
            "private": {"vllm_base_url": "https://127.0.0.1:9", "vllm_ca_path": "/authority/of/a/site.pem"},
        }
        # Without a group vllm these are all sites.
        inventory = {"hosts": {name: {**IN_WORKER, "lora_adapters": declared, **hosts[name]} for name in hosts}}
        (tmp_path / "sites.json").write_text(json.dumps({"all": inventory}))
        audit = "ansible-playbook -i sites.json sovereign.vllm.drift_audit -e drift_audit_findings=true"
        output = shell(audit, tmp_path, environment=FLEET)
        sites = {site["name"]: site for site in _report(tmp_path)["sites"]}
        assert {name: site["verdict"] for name, site in sites.items()} == {
            "own": "in_sync",
            "unresolved": "failed",
            "silent": "unreachable",
            "private": "failed",  # since that file does not exist
        }
        assert [finding["id"] for finding in sites["own"]["findings"]] == ["adapters_alias_open"]
        assert "'nowhere' is undefined" in sites["unresolved"]["reason"] and not unresolved.log
        assert "0.25" in sites["silent"]["reason"]
        assert "sk-own" not in output and FLEET["VLLM_API_KEY"] not in output


@pytest.mark.parametrize("how", [IN_WORKER, AS_MODULE], ids=["in the worker", "as a module"])
def test_a_site_that_the_inventory_asks_by_a_key_of_its_own_is_sent_no_other(tmp_path: Path, how: dict) -> None:
    with StandIn(api_key="sk-own") as own, StandIn() as unset:
        endpoints = [
            {"name": "own", "base_url": own.url, "api_key_env": "OWN_KEY", "vars": how},
            {"name": "unset", "base_url": unset.url, "api_key_env": "NOT_SET", "vars": how},
        ]
        (tmp_path / "sites.vllm.yml").write_text(json.dumps({"plugin": "sovereign.vllm.vllm", "endpoints": endpoints}))
        task = {"name": "See", "sovereign.vllm.vllm_base_model_info": None}
        play = [{"hosts": "vllm", "gather_facts": False, "tasks": [task]}]
        (tmp_path / "see.yml").write_text(json.dumps(play))
        output = shell("ansible-playbook -i sites.vllm.yml see.yml -vvvv", tmp_path, 2, FLEET | {"OWN_KEY": "sk-own"})
        assert {request.headers["authorization"] for request in own.log} == {"Bearer sk-own"}
        assert re.search(r"own +: ok=1 ", output) and re.search(r"unset +: ok=0 .*failed=1", output)
        assert "api_key_env names the environment variable 'NOT_SET', which is not set" in " ".join(output.split())
        assert not unset.log
        assert "sk-own" not in output and FLEET["VLLM_API_KEY"] not in output


def _report(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "drift_report" / "drift.json").read_text())


def test_healing_takes_the_key_that_is_named_and_no_other(tmp_path: Path) -> None:
    with StandIn() as keyed, StandIn() as silent:
        silent.faults.add(Fault("GET", "/", "silence"))

        def heal(server: StandIn, connection: dict[str, Any], rc: int) -> str:
            drift = {"endpoint": "edge", "base_url": server.url, "declared": {"adapters": []}, "connection": connection}
            (tmp_path / "event.json").write_text(json.dumps({"ansible_eda": {"event": {"drift": drift}}}))
            return shell("ansible-playbook sovereign.vllm.heal -e @event.json", tmp_path, rc, FLEET)

        assert "names the environment variable 'EDGE_KEY', which is not set" in " ".join(
            heal(keyed, {"api_key_env": "EDGE_KEY"}, rc=2).split()
        )
        assert not keyed.log
        assert "0.25" in heal(silent, {"timeout": 0.25}, rc=4)
        assert silent.log[0].headers["authorization"] == f"Bearer {FLEET['VLLM_API_KEY']}"
