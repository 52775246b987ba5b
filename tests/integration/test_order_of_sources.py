# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the sources of an option counts: task, keyword `environment`, host variable, environments, default."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.stand_in import StandIn
from tests.support.playbook import IN_WORKER, run_playbook

OF_THE_CONTROLLER = {"VLLM_API_KEY": "sk-controller", "OWN_KEY": "sk-own", "EMPTY_KEY": ""}
HOST = {"vllm_api_key": "sk-host"}
DEFAULTS = {"module_defaults": {"group/sovereign.vllm.vllm": {"api_key": "sk-defaults"}}}
ENVIRONMENT = {"environment": {"VLLM_API_KEY": "sk-environment"}}
OMIT = "{{ omit }}"
MODULE = "sovereign.vllm.vllm_base_model_info"


def task(options: dict[str, Any] | None = None, keywords: dict[str, Any] | None = None, **host: Any) -> dict[str, Any]:
    """A task. Variables at the task are variables of its host."""
    return {MODULE: options or {}, "vars": host, **(keywords or {})}


# The key that reaches the server, by task; None is no key.
SENT: list[tuple[dict[str, Any], str | None]] = [
    (task({"api_key": "sk-task"}, {**DEFAULTS, **ENVIRONMENT}, **HOST), "sk-task"),
    (task({}, {**DEFAULTS, **ENVIRONMENT}, **HOST), "sk-defaults"),
    (task({}, ENVIRONMENT, **HOST), "sk-environment"),
    (task(**HOST), "sk-host"),
    (task(), "sk-controller"),
    # Null and omit are no source.
    (task({"api_key": None}, **HOST), "sk-host"),
    (task({"api_key": OMIT, "timeout": None}, **HOST), "sk-host"),
    (task({"api_key": None}, DEFAULTS, **HOST), "sk-host"),
    (task(vllm_api_key=None), "sk-controller"),
    (task(vllm_api_key=OMIT, vllm_retries="{{ none }}"), "sk-controller"),
    # An empty key is none, also not the one of a later source.
    (task({"api_key": ""}, ENVIRONMENT, **HOST), None),
    (task({}, {"environment": {"VLLM_API_KEY": ""}}, **HOST), None),
    (task(vllm_api_key=""), None),
    (task(vllm_api_key="{{ '' }}", vllm_api_key_env="OWN_KEY"), None),
    # The name of a variable of the controller's environment is as good as a key.
    (task(vllm_api_key_env="OWN_KEY"), "sk-own"),
    (task(vllm_api_key_env="{{ 'OWN' ~ '_KEY' }}", vllm_api_key=None), "sk-own"),
    (task(vllm_api_key_env=""), "sk-controller"),
    (task({"api_key_env": "OWN_KEY"}, ENVIRONMENT, **HOST), "sk-own"),
    (task({}, ENVIRONMENT, vllm_api_key_env="NOT_SET"), "sk-environment"),
    # A variable that is not needed is not resolved.
    (task({"api_key": "sk-task"}, vllm_api_key="{{ nowhere }}"), "sk-task"),
    (task({"api_key": "sk-task"}, vllm_api_key_env="NOT_SET"), "sk-task"),
    (task(vllm_load_timeout="{{ nowhere }}"), "sk-controller"),
    # Every kind of variable is one of the host.
    (task({}, {"loop": ["sk-of-an-item"]}, vllm_api_key="{{ item }}"), "sk-of-an-item"),
    ({"ansible.builtin.include_role": {"name": "keyed"}}, "sk-role"),
    (task(vllm_api_key="{{ lookup('ansible.builtin.env', 'OWN_KEY') }}"), "sk-own"),
]
#: What the message says where the server is not asked.
REFUSED: list[tuple[dict[str, Any], str]] = [
    (task(vllm_api_key="{{ nowhere }}"), "vllm_api_key cannot be resolved ('nowhere' is undefined"),
    (task(vllm_api_key="{{ 'sk-own' | no_filter }}"), "vllm_api_key cannot be resolved ("),
    (task(vllm_api_key_env="NOT_SET"), "names the environment variable 'NOT_SET', which is not set"),
    (task(vllm_api_key_env="EMPTY_KEY"), "names the environment variable 'EMPTY_KEY', which is not set"),
    (task(vllm_api_key="sk-own", vllm_api_key_env="OWN_KEY"), "vllm_api_key and vllm_api_key_env are both set"),
    (task({"api_key": "sk-own", "api_key_env": "OWN_KEY"}), "api_key and api_key_env are both set"),
    (task(vllm_api_key=["sk-own"]), "vllm_api_key is a list; give text"),
    (task(vllm_timeout="soon"), "vllm_timeout is 'soon'; give a number"),
    (task(vllm_ask_from="here"), "vllm_ask_from is 'here'; give one of controller, host"),
    (task(vllm_base_url="ftp://node"), "base_url is 'ftp://node', which is not http or https"),
    (task(vllm_base_url=None), "base_url is not set; give it, or set the host variable vllm_base_url"),
    (task({"ask_from": "here"}), "ask_from must be one of: controller, host"),
    (task({"server_of": "nobody"}), "server_of names 'nobody', which is no host of the inventory"),
    (task({"server_of": "other", "base_url": "{{ vllm_base_url }}"}), "server_of is given together with an address"),
    (task({"server_of": "other"}), "vllm_base_url cannot be resolved ('nowhere' is undefined"),
]
LATER = """
- ansible.builtin.include_vars: keys.yml
- sovereign.vllm.vllm_base_model_info:
- ansible.builtin.set_fact: {vllm_api_key: sk-fact}
- sovereign.vllm.vllm_base_model_info:
"""


@pytest.fixture(params=["in the worker", "as a module"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """How the tasks are run. A module runs with a Python whose environment has a key of its own."""
    if request.param == "in the worker":
        return IN_WORKER
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nVLLM_API_KEY="${{VLLM_API_KEY-sk-machine}}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return {**IN_WORKER, "ansible_python_interpreter": str(python)}


def test_order(way: dict[str, Any], tmp_path: Path) -> None:
    play = tmp_path / "run"
    role = play / "roles" / "keyed"
    for file, text in {"vars": {"vllm_api_key": "sk-role"}, "tasks": [{MODULE: {}}]}.items():
        (role / file).mkdir(parents=True)
        (role / file / "main.yml").write_text(json.dumps(text))
    (play / "keys.yml").write_text(json.dumps({"vllm_api_key": "sk-included"}))
    # A module is handed the same options. The first rows have every way to hand them over, and a process takes its time.
    sending, refusing = (SENT, REFUSED) if way is IN_WORKER else (SENT[:13], [])
    asking = [each for each, _key in sending]
    refused = [{**each, "name": message, "ignore_errors": True} for each, message in refusing]
    with StandIn() as server:
        hosts = {"site": {**way, "vllm_base_url": server.url}, "other": {**way, "vllm_base_url": "{{ nowhere }}"}}
        run = run_playbook(
            "\n".join(f"- {json.dumps(each)}" for each in (*asking, *refused)) + LATER,
            hosts,
            play,
            options=["--limit", "site", "-vvv"],
            environment=OF_THE_CONTROLLER,
        )
        sent = [request.headers.get("authorization") for request in server.log]
    expected = [*(key for _task, key in sending), "sk-included", "sk-fact"]
    assert sent == [key and f"Bearer {key}" for key in expected]
    for _task, message in refusing:
        assert message in run[message].msg
        assert run[message].code == "invalid_request"
        assert "sk-own" not in run[message].msg


def test_environment_of_the_machine_that_asks_comes_last(way: dict[str, Any], tmp_path: Path) -> None:
    with StandIn() as server:
        host = {"site": {**way, "vllm_base_url": server.url}}
        run_playbook(f"- {json.dumps(task())}", host, tmp_path / "run")
        expected = None if way is IN_WORKER else "Bearer sk-machine"
        assert [request.headers.get("authorization") for request in server.log] == [expected]
