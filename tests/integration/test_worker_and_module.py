# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task gives the same results inside Ansible's worker and as a module: one playbook, run both ways, compared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.vllm_stand_in import StandIn
from tests.vllm_stand_in.adapters import write_adapter

KEY = "sk-9f2c77"
REFUSING = "http://127.0.0.1:9"

PLAY = """
- hosts: all
  gather_facts: false
  module_defaults:
    group/sovereign.vllm.vllm:
      base_url: "{{ url }}"
      retry_delay: 0.01
  tasks:
    - sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ adapters }}/first"}
      check_mode: true
      register: planned
    - sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ adapters }}/first"}
      register: loaded
    - sovereign.vllm.vllm_lora_adapter: {lora_name: sql, lora_path: "{{ adapters }}/first/", state: present}
      register: kept
    - sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ adapters }}/second", reload_strategy: in_place}
      register: warned
    - sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ adapters }}/missing"}
      register: refused
      ignore_errors: true
    - sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ adapters }}/first", no_such_option: 1}
      register: mistyped
      ignore_errors: true
    - sovereign.vllm.vllm_lora_adapter: {name: sql, state: gone}
      register: mischosen
      ignore_errors: true
    - sovereign.vllm.vllm_lora_adapter: {name: sql, state: absent, api_key: wrong-key}
      register: unauthorized
      ignore_errors: true
    - sovereign.vllm.vllm_base_model_info:
      environment: {VLLM_API_KEY: wrong-key}
      register: environment_wins
      ignore_errors: true
    - sovereign.vllm.vllm_base_model_info: {base_url: "%(refusing)s"}
      register: unreachable
      ignore_unreachable: true
    - sovereign.vllm.vllm_base_model_info: {base_url: "%(refusing)s", unreachable_as: failed}
      register: tried_again
      until: tried_again is not failed
      retries: 1
      delay: 0
      ignore_errors: true
    - sovereign.vllm.vllm_lora_adapters:
        adapters: "{{ [{'name': item, 'path': adapters ~ '/' ~ item}] }}"
      loop: [first, second]
      register: looped
    - sovereign.vllm.vllm_lora_adapters: {adapters: [], prune: true, prune_exclude: [s*]}
      delegate_to: localhost
      register: pruned
    - sovereign.vllm.vllm_server_info: {wait: true}
      register: server
    - sovereign.vllm.vllm_server_info: {api_key: "%(key)s"}
      no_log: true
      register: hidden
    - ansible.builtin.copy:
        content: "{{ {'planned': planned, 'loaded': loaded, 'kept': kept, 'warned': warned, 'refused': refused,
          'mistyped': mistyped, 'mischosen': mischosen, 'unauthorized': unauthorized,
          'environment_wins': environment_wins, 'unreachable': unreachable, 'tried_again': tried_again,
          'looped': looped, 'pruned': pruned, 'server': server, 'hidden': hidden} | to_json }}"
        dest: "{{ results }}"
        mode: "0644"
""" % {"refusing": REFUSING, "key": KEY}


@dataclass
class Run:
    returncode: int
    output: str
    results: dict
    requests: list


def _run(directory: Path, interpreter: str, adapters: Path) -> Run:
    directory.mkdir()
    host = {"ansible_connection": "local", "ansible_python_interpreter": interpreter}
    inventory = {"all": {"hosts": {"edge1": host, "localhost": host}}}
    (directory / "inventory.yml").write_text(json.dumps(inventory))
    (directory / "play.yml").write_text(PLAY)
    with StandIn(base_models=("tiny",), api_key=KEY) as server:
        variables = {"url": server.url, "adapters": str(adapters), "results": str(directory / "results.json")}
        process = subprocess.run(
            ["ansible-playbook", "-vvvv", "--limit", "edge1", "-i", directory / "inventory.yml"]
            + ["-e", json.dumps(variables), directory / "play.yml"],
            env=dict(os.environ, VLLM_API_KEY=KEY, ANSIBLE_NOCOLOR="1"),
            capture_output=True,
            text=True,
            check=False,
        )
        requests = [(r.method, r.path, r.status, r.authorized) for r in server.log]
        text = (directory / "results.json").read_text() if process.returncode == 0 else "{}"
        results = json.loads(text.replace(server.url, "URL"))
    return Run(process.returncode, process.stdout + process.stderr, results, requests)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """The playbook inside the worker, and with a Python that is pinned to another path, which makes it run modules."""
    base = tmp_path_factory.mktemp("two-ways")
    for seed, name in enumerate(("first", "second")):
        write_adapter(base / "adapters" / name, seed=seed)
    elsewhere = base / "python"
    elsewhere.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    elsewhere.chmod(0o755)
    return (
        _run(base / "worker", "{{ ansible_playbook_python }}", base / "adapters"),
        _run(base / "module", str(elsewhere), base / "adapters"),
    )


def _without_ways(value: object) -> object:
    """Drop what tells the way and nothing else: Ansible's own notes on a process, and the facts of its discovery."""
    if isinstance(value, dict):
        of_a_process = {"module_stdout", "module_stderr", "rc", "exception", "ansible_facts", "invocation"}
        return {key: _without_ways(inner) for key, inner in value.items() if key not in of_a_process}
    if isinstance(value, list):
        return [_without_ways(inner) for inner in value]
    return value


def test_both_ways_end_well_and_are_two_ways(runs: tuple[Run, Run]) -> None:
    worker, module = runs
    assert worker.returncode == 0, worker.output[-3000:]
    assert module.returncode == 0, module.output[-3000:]
    assert "AnsiballZ_vllm" not in worker.output
    assert "AnsiballZ_vllm" in module.output


def test_results_are_the_same(runs: tuple[Run, Run]) -> None:
    worker, module = (_without_ways(run.results) for run in runs)
    assert worker.keys() == module.keys()
    for name, result in worker.items():
        assert result == module[name], name


def test_requests_are_the_same(runs: tuple[Run, Run]) -> None:
    worker, module = runs
    assert worker.requests == module.requests


@pytest.mark.parametrize("way", [0, 1], ids=["worker", "module"])
def test_the_results_are_those_that_are_meant(runs: tuple[Run, Run], way: int) -> None:
    results = runs[way].results
    assert results["planned"]["changed"] and results["planned"]["diff"]["before"] == "adapters: []\n"
    assert results["loaded"]["action"] == "load"
    assert not results["kept"]["changed"]
    assert any("in_place" in warning for warning in results["warned"]["warnings"])
    assert results["refused"]["error"]["code"] == "artifact_not_found"
    assert "no_such_option" in results["mistyped"]["msg"]
    assert results["unauthorized"]["error"]["code"] == "unauthorized"
    assert results["environment_wins"]["error"]["code"] == "unauthorized"
    assert results["unreachable"]["unreachable"] and not results["unreachable"].get("failed")
    assert results["tried_again"]["attempts"] == 1
    assert [item["changed"] for item in results["looped"]["results"]] == [True, True]
    assert [entry["name"] for entry in results["pruned"]["adapters"]] == ["first"]
    assert results["server"]["auth_required"]
    assert "censored" in results["hidden"] or results["hidden"]["version"] == "0.32.0"


@pytest.mark.parametrize("way", [0, 1], ids=["worker", "module"])
def test_the_key_is_nowhere(runs: tuple[Run, Run], way: int) -> None:
    run = runs[way]
    assert KEY not in json.dumps(run.results)
    shown = [line for line in run.output.splitlines() if KEY in line and "VLLM_API_KEY" not in line]
    assert not shown
