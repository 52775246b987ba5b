# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible adds to a task comes out alike inside its worker and as a module; results of their own: test_results.py."""

from __future__ import annotations

from pathlib import Path

from tests.support.playbook import AS_MODULE, IN_WORKER, Run, run_playbook

from .conftest import NewSite

KEY = "sk-9f2c77"
TASKS = """
- name: looped
  sovereign.vllm.vllm_lora_adapters:
    adapters: "{{ [{'name': item, 'path': artifacts ~ '/' ~ item}] }}"
  loop: [first, second]
- name: warned
  sovereign.vllm.vllm_lora_adapter: {name: first, path: "{{ artifacts }}/second", reload_strategy: in_place}
- name: mistyped
  sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/first", no_such_option: 1}
  ignore_errors: true
- name: mischosen
  sovereign.vllm.vllm_lora_adapter: {name: sql, state: gone}
  ignore_errors: true
- name: environment wins
  sovereign.vllm.vllm_base_model_info:
  environment: {VLLM_API_KEY: wrong-key}
  ignore_errors: true
- name: tried again
  sovereign.vllm.vllm_base_model_info: {base_url: "http://127.0.0.1:9", unreachable_as: failed}
  register: tried
  until: tried is not failed
  retries: 1
  delay: 0
  ignore_errors: true
- name: pruned
  sovereign.vllm.vllm_lora_adapters: {adapters: [], prune: true, prune_exclude: [s*]}
  delegate_to: other
"""


def _without_ways(value: object) -> object:
    """Drop what tells the way and nothing else: Ansible's own notes on a process, and the facts of its discovery."""
    if isinstance(value, dict):
        of_a_process = ("module_stdout", "module_stderr", "rc", "exception", "ansible_facts", "invocation", "_ansible")
        return {key: _without_ways(inner) for key, inner in value.items() if not key.startswith(of_a_process)}
    return [_without_ways(inner) for inner in value] if isinstance(value, list) else value


def test_a_task_comes_out_alike_both_ways(new_site: NewSite, tmp_path: Path) -> None:
    site = new_site(api_key=KEY)
    site.artifact("first")
    site.artifact("second", "second")

    def run(way: dict[str, str], directory: Path) -> tuple[Run, dict[str, object], list[tuple[object, ...]]]:
        site.watched.restart()
        site.watched.clear_log()
        ran = run_playbook(
            TASKS,
            {name: {**site.host, **way} for name in ("site", "other")},
            directory,
            options=("-vvvv", "--limit", "site"),
            defaults={"base_url": "{{ url }}", "retry_delay": 0.01},
            environment={"VLLM_API_KEY": KEY},
        )
        assert KEY not in ran.output
        results = {result.task: _without_ways(result.values) for result in ran.results}
        return ran, results, [(seen.method, seen.path, seen.status, seen.authorized) for seen in site.watched.log]

    (worker, results, requests), module = run(IN_WORKER, tmp_path / "worker"), run(AS_MODULE, tmp_path / "module")
    assert "AnsiballZ_vllm" not in worker.output
    assert "AnsiballZ_vllm" in module[0].output
    assert (results, requests) == module[1:]

    assert [item["changed"] for item in worker["looped"]["results"]] == [True, True]
    assert any("in_place" in warning for warning in worker["warned"].warnings)
    assert "no_such_option" in worker["mistyped"].msg
    assert "gone" in worker["mischosen"].msg
    assert worker["mistyped"].code == worker["mischosen"].code == "invalid_request"
    assert worker["environment wins"].code == "unauthorized"
    assert worker["tried again"]["attempts"] == 1
    pruned = {entry["name"]: (entry["action"], entry["excluded"]) for entry in worker["pruned"]["adapters"]}
    assert pruned == {"first": ("unload", False), "second": ("none", True)}
