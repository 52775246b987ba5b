# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole results, key by key: they are the same on every ansible-core, in its worker and as a module, and playbooks can rely on each of these names."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.playbook import AS_MODULE, IN_WORKER, TaskResult

from .conftest import NewSite

CARD = {"name": "sql", "id": "sql", "parent": "tiny", "base_model": "tiny"}
FIRST = {**CARD, "path": "/artifacts/first", "root": "/artifacts/first/"}
SECOND = {**CARD, "path": "/artifacts/second", "root": "/artifacts/second"}


def listed(*adapters: dict[str, Any]) -> str:
    lines = [f"  - name: {card['name']}\n    path: {card['root']}\n    parent: tiny\n" for card in adapters]
    return "adapters:\n" + "".join(lines) if lines else "adapters: []\n"


def changing(before: list[dict[str, Any]], after: list[dict[str, Any]], **values: Any) -> dict[str, Any]:
    """A result of a module that declares adapters."""
    diff = {"before_header": "served before", "after_header": "served after"}
    diff |= {"before": listed(*before), "after": listed(*after)}
    return {"changed": before != after, "diff": diff, "cache_risk": False, "leftovers": [], **values}


HINT = "check that the path exists on the node, as seen from inside the server's container"
DETAIL = "Loading lora b failed: No adapter found for <path>"  # vLLM hides paths from 0.26 on
NOT_FOUND = {"code": "artifact_not_found", "http_status": 404, "detail": DETAIL, "hint": HINT, "retryable": False}
SENTENCE = (
    "Could not load adapter 'b' from '/artifacts/b' at URL/v1/load_lora_adapter: the server answered 404 and said "
    f"'{DETAIL}'; {HINT}."
)
NOT_SERVED = {"path": None, "root": None, "parent": None}
BEFORE = {"path": "/artifacts/second", "root": "/artifacts/second", "parent": "tiny"}

# Status and values of each task.
EXPECTED: dict[str, tuple[str, dict[str, Any]]] = {
    "load": ("ok", changing([], [FIRST], action="load", drift="missing", adapter=FIRST)),
    "again": ("ok", changing([FIRST], [FIRST], action="none", drift="none", adapter=FIRST)),
    "move": ("ok", changing([FIRST], [SECOND], action="reload", drift="path", adapter=SECOND)),
    "audit": ("ok", changing([SECOND], [FIRST], action="reload", drift="path", adapter=FIRST)),
    "node": (
        "failed",
        changing(
            [SECOND],
            [],
            adapters=[
                {
                    "name": "b",
                    "action": "load",
                    "drift": "missing",
                    "declared": True,
                    "excluded": False,
                    **NOT_SERVED,
                    "before": None,
                    "error": {**NOT_FOUND, "msg": SENTENCE},
                },
                {
                    "name": "sql",
                    "action": "unload",
                    "drift": "unexpected",
                    "declared": False,
                    "excluded": False,
                    **NOT_SERVED,
                    "before": BEFORE,
                    "error": None,
                },
            ],
            summary={
                "none": 0,
                "missing": 1,
                "path": 0,
                "base_model": 0,
                "unexpected": 1,
                "server": 0,
                "weights": 0,
                "revoked": 0,
            },
            verdict="drifted",
            plan_id="PLAN",
            server=[],
            version="0.32.0",
            error=NOT_FOUND,
            msg=f"1 of 2 adapters failed: {SENTENCE}",
        ),
    ),
    "info": (
        "ok",
        {
            "changed": False,
            "base_models": [{"id": "tiny", "root": "tiny", "max_model_len": 256, "aliases": []}],
            "adapters": [],
            "roots": [],
        },
    ),
    "server": (
        "ok",
        {
            "changed": False,
            "version": "0.32.0",
            "healthy": True,
            "runtime_lora": True,
            "lora": {"enabled": True, "max_loras": None, "running": [], "waiting": []},
            "auth_required": False,
            "guarded": False,
            "findings": [
                {
                    "id": "no_key",
                    "severity": "high",
                    "message": "Anybody who reaches the server can use it, and load and unload adapters.",
                    "fix": "Start the server with --api-key or VLLM_API_KEY.",
                }
            ],
        },
    ),
    "offline": (
        "unreachable",
        {
            "changed": False,
            "unreachable": True,
            "error": {
                "code": "unreachable",
                "http_status": None,
                "detail": "",
                "hint": "check that the server runs and that the address is right; nothing is known about what it serves",
                "retryable": True,
            },
            "msg": "Could not read what is served at http://127.0.0.1:9/v1/models: the connection was refused; check that "
            "the server runs and that the address is right; nothing is known about what it serves.",
        },
    ),
}
# What Ansible adds of its own accord, in one version or another.
ANSIBLES_OWN = {"invocation", "ansible_facts", "warnings", "deprecations", "exception", "failed"}


@pytest.mark.parametrize("way", [IN_WORKER, AS_MODULE], ids=["worker", "module"])
def test_results_are_these_to_the_last_key(new_site: NewSite, way: dict[str, str]) -> None:
    site = new_site(host=way)
    for name in ("first", "second"):
        site.artifact(name)
    run = site.run(
        """
        - name: load
          sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/first/"}
        - name: again
          sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/first"}
        - name: move
          sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/second"}
        - name: audit
          sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/first/", state: present}
          check_mode: true
        - name: node
          sovereign.vllm.vllm_lora_adapters: {adapters: [{name: b, path: "{{ artifacts }}/b"}], prune: true}
          ignore_errors: true
        - name: info
          sovereign.vllm.vllm_base_model_info:
        - name: server
          sovereign.vllm.vllm_server_info:
        - name: offline
          sovereign.vllm.vllm_base_model_info: {base_url: "http://127.0.0.1:9", retries: 0}
        """,
        rc=4,
    )
    places = {str(site.artifacts): "/artifacts", site.watched.url: "URL"}
    assert {result.task: (result.status, normalised(result, places)) for result in run.results} == EXPECTED


def normalised(result: TaskResult, places: dict[str, str]) -> dict[str, Any]:
    """What the collection itself returned, free of places that differ from run to run."""
    kept = {name: value for name, value in result.values.items() if not name.startswith("_ansible")}
    return {name: replaced(value, places) for name, value in kept.items() if name not in ANSIBLES_OWN}


def replaced(value: Any, places: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: replaced(inner, places) for name, inner in value.items()}
    if isinstance(value, list):
        return [replaced(inner, places) for inner in value]
    if isinstance(value, str):
        value = re.sub("sha256:[0-9a-f]{64}", "PLAN", value)
        return re.sub("|".join(map(re.escape, places)), lambda found: places[found.group()], value)
    return value
