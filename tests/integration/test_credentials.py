# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A key reaches the server of its host and no other, however a task is run. The logs of the servers tell."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.stand_in import StandIn
from tests.support.playbook import AS_MODULE, IN_WORKER, run_playbook

# The controller asks the server of b, although nothing listens for ssh.
WAYS = {
    "a": AS_MODULE,
    "b": {"ansible_host": "127.0.0.1", "ansible_port": 9, "ansible_become": True, "vllm_ask_from": "controller"},
}
INFO = "sovereign.vllm.vllm_base_model_info"
ON_A = "inventory_hostname == 'a'"
B_URL = "{{ hostvars.b.vllm_base_url }}"

#: Each task, which runs on the hosts a and b, and the keys that reach the server of a and the one of b.
TASKS: list[tuple[dict[str, Any], list[str | None], list[str | None]]] = [
    ({INFO: {}}, ["a"], ["b"]),
    ({INFO: {"base_url": "{{ vllm_base_url }}/v1/"}}, ["a"], ["b"]),
    ({INFO: {"base_url": "{{ item }}"}, "loop": "{{ urls }}"}, ["a", None], ["b", None]),
    ({INFO: {}, "environment": {"VLLM_BASE_URL": B_URL}}, [], ["b", None]),
    ({INFO: {"base_url": B_URL}, "module_defaults": {INFO: {"retries": 0}}}, [], ["b", None]),
    ({INFO: {}, "delegate_to": "{{ item }}", "loop": ["elsewhere", "localhost"]}, ["a", "a"], ["b", "b"]),
    ({INFO: {}, "delegate_to": "elsewhere", "run_once": True}, ["a"], []),
    ({INFO: {}, "run_once": True}, ["a"], []),
    ({INFO: {"base_url": "{{ item }}"}, "loop": "{{ urls }}", "run_once": True}, ["a"], [None]),
    ({INFO: {"server_of": "b"}, "when": ON_A}, [], ["b"]),
    ({INFO: {"server_of": "{{ item }}"}, "loop": ["a", "b"], "run_once": True}, ["a"], ["b"]),
    ({INFO: {"server_of": "b"}, "run_once": True, "delegate_to": "localhost"}, [], ["b"]),
    # The host has variables of the task, but the server is the one of another host.
    ({INFO: {"server_of": "b"}, "vars": {"vllm_api_key": "sk-task"}, "when": ON_A}, [], ["b"]),
    ({INFO: {"base_url": B_URL, "api_key": "sk-given"}, "when": ON_A}, [], ["given"]),
    ({INFO: {"base_url": None, "server_of": None}}, ["a"], ["b"]),
]


def test_a_key_reaches_no_other_server(tmp_path: Path) -> None:
    with StandIn() as a, StandIn() as b, StandIn(api_key="sk-c") as c:
        servers = {"a": a, "b": b}
        foreign = {INFO: {"base_url": c.url}, "name": "foreign", "ignore_errors": True}
        hosts = {
            # Rendered for its own host.
            name: {**way, "vllm_base_url": servers[name].url, "vllm_api_key": "sk-{{ inventory_hostname }}"}
            for name, way in WAYS.items()
        }
        run = run_playbook(
            "\n".join(f"- {json.dumps({**task, 'name': str(number)})}" for number, (task, _a, _b) in enumerate(TASKS))
            + f"\n- {json.dumps(foreign)}",
            {**hosts, "localhost": IN_WORKER, "elsewhere": {**hosts["a"], **IN_WORKER}},
            tmp_path / "run",
            options=["--limit", "a,b", "-vvv"],
            variables={"urls": [a.url, b.url]},
            rc=None,
        )
        assert {host: (counts["failures"], counts["unreachable"]) for host, counts in run.recap.items()} == {
            "a": (0, 0),
            "b": (0, 0),
        }, run.output
        for name, result in run.of("foreign").items():
            assert result.code == "unauthorized"
            assert result.msg.endswith(f"The credentials of {name} were not sent, since this is not its vllm_base_url.")
        assert [request.headers.get("authorization") for request in c.log] == [None, None]
        sent = {name: [request.headers.get("authorization") for request in servers[name].log] for name in servers}
    for column, name in enumerate(servers, start=1):
        expected: list[str | None] = []
        for number, row in enumerate(TASKS):
            keys = row[column]
            seen = sent[name][len(expected) : len(expected) + len(keys)]
            # Hosts ask at the same time.
            assert Counter(seen) == Counter(key and f"Bearer sk-{key}" for key in keys), (number, row)
            expected += keys
        assert len(sent[name]) == len(expected)
    assert not [key for key in ("sk-a", "sk-b") if key in run.output]
