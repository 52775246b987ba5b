# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that asks a server: the host by its connection, or the controller by `ask_from`."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from ansible.parsing.vault import VaultLib, VaultSecret

from tests.stand_in import StandIn
from tests.support.guide import shell
from tests.support.playbook import IN_WORKER, run_playbook

KEY = "sk-of-edge1"
MINIMAL = """\
- hosts: vllm
  gather_facts: false
  tasks:
    - sovereign.vllm.vllm_lora_adapters:
        adapters: "{{ lora_adapters }}"
"""
INFO = "sovereign.vllm.vllm_base_model_info"
# A node whose ssh fails at once.
NODE = {"ansible_host": "192.0.2.7", "ansible_ssh_executable": "/bin/false", "vllm_ask_from": "controller"}


def test_minimal_playbook(tmp_path: Path, examples: Path) -> None:
    """One task, a vaulted key and the connection and privileges of a node: one request, and the key is in no output."""
    (tmp_path / "password").write_text("hunter2")
    key = VaultLib([("default", VaultSecret(b"hunter2"))]).encrypt(KEY).decode()
    with StandIn(api_key=KEY, static={"sql": str(examples / "first")}) as server:
        node = {
            "ansible_host": "127.0.0.1",
            "ansible_port": 9,
            "ansible_become": True,
            "vllm_base_url": server.url,
            "vllm_ask_from": "controller",
            "lora_adapters": [{"name": "sql", "path": str(examples / "first")}],
        }
        inventory = "vllm:\n  hosts:\n    edge1:\n      vllm_api_key: !vault |\n" + textwrap.indent(key, " " * 8)
        (tmp_path / "inventory.yml").write_text(f"{inventory}\n  vars: {json.dumps(node)}\n")
        (tmp_path / "play.yml").write_text(MINIMAL)
        command = "ansible-playbook -i inventory.yml --vault-password-file password play.yml -vvvv"
        # The key of the fleet is for hosts without one.
        output = shell(command, tmp_path, environment={"VLLM_API_KEY": "sk-of-the-fleet"})
        assert [(request.method, request.path) for request in server.log] == [("GET", "/v1/models")]
        assert server.log[0].headers["authorization"] == f"Bearer {KEY}"
    assert "ok=1    changed=0 " in output
    assert not [word for word in (KEY, "sk-of-the-fleet", "AnsiballZ", "EXEC ssh") if word in output]


def test_a_loopback_address_is_asked_where_it_leads_to_the_server(tmp_path: Path) -> None:
    with StandIn() as server, StandIn() as other:
        nodes: dict[str, dict[str, Any]] = {
            "node": NODE,
            "seen": {**NODE, "vllm_reachable": False},
            "here": {**IN_WORKER, "vllm_ask_from": "controller"},
            "named": {**NODE, "ansible_host": "localhost"},
            "neighbour": {**NODE, "vllm_ask_from": "host"},
        }
        hosts = {name: {"vllm_base_url": server.url, **node} for name, node in nodes.items()}
        hosts["node"]["vllm_base_url"] = other.url
        tasks: dict[str, dict[str, Any]] = {
            "own": {INFO: {}},
            "by ssh": {INFO: {"ask_from": "host"}, "when": "inventory_hostname == 'node'"},
            "delegated": {INFO: {}, "delegate_to": "here", "when": "inventory_hostname == 'node'"},
            "of the node": {INFO: {"server_of": "node"}, "when": "inventory_hostname == 'here'"},
            "of a neighbour": {INFO: {"server_of": "neighbour"}, "when": "inventory_hostname == 'here'"},
            "on one node": {INFO: {"server_of": "neighbour"}, "when": "inventory_hostname == 'node'"},
            "async": {INFO: {}, "async": 60, "when": "inventory_hostname == 'named'"},
        }
        ignore = {"ignore_errors": True, "ignore_unreachable": True}
        play = "\n".join(f"- {json.dumps({**task, 'name': name, **ignore})}" for name, task in tasks.items())
        run = run_playbook(play, hosts, tmp_path / "run")
        came_out = {name: {host: result.status for host, result in run.of(name).items()} for name in tasks}
        assert came_out["own"] == {
            "node": "failed",
            "seen": "ok",
            "here": "ok",
            "named": "ok",
            "neighbour": "unreachable",
        }
        # From the node, the address of the node is right, for each of its servers.
        assert came_out["by ssh"]["node"] == came_out["on one node"]["node"] == "unreachable"
        assert came_out["delegated"]["node"] == "ok"
        assert [came_out[name]["here"] for name in ("of the node", "of a neighbour")] == ["failed", "failed"]
        assert run.of("own")["node"].msg == (
            f"The server of node is at {other.url} as its node sees it, but the controller would ask; set vllm_base_url to an "
            "address that the controller can reach, or ansible_connection to local if the server runs on the controller."
        )
        assert run.of("own")["node"].code == "invalid_request"
        assert run.of("async")["named"].msg.startswith("Option ask_from is controller, but async starts the module on")
        assert (len(server.log), len(other.log)) == (3, 1)


def test_without_requests_the_python_of_ansible_is_named(tmp_path: Path) -> None:
    (tmp_path / "requests.py").write_text("raise ImportError(\"No module named 'requests'\")")
    host = {**NODE, "vllm_base_url": "http://192.0.2.7:8000"}
    run = run_playbook(
        f"- {{name: See, {INFO}: {{}}}}",
        {"edge1": host},
        tmp_path / "run",
        rc=2,
        environment={"PYTHONPATH": str(tmp_path)},
    )
    assert run["See"].code == "requests_missing"
    assert run["See"].msg.startswith("Could not import requests with /")
