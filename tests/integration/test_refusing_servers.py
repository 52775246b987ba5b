# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that cannot be managed say so in every generation's own way; the task says why, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stand_in import Fault, write_adapter
from tests.support.playbook import IN_WORKER, TaskResult
from tests.support.site import Site, run_on_all

from .conftest import SUPPORTED, NewSite

LOAD = """
- name: load
  sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/sql"}
"""
UNLOAD = """
- name: unload
  sovereign.vllm.vllm_lora_adapter: {name: fixed, state: absent}
"""


def served(sites: dict[str, Site]) -> dict[str, dict[str, str]]:
    return {name: site.server.served() for name, site in sites.items()}


def refused(results: dict[str, TaskResult]) -> dict[str, tuple[str, str | None, bool]]:
    return {name: (result.status, result.code, result.changed) for name, result in results.items()}


@pytest.mark.parametrize("options", [[], ["--check"]], ids=["for real", "check mode"])
def test_runtime_updating_off(new_site: NewSite, tmp_path: Path, options: list[str]) -> None:
    """The routes do not exist. Their 404 to an unload is a failure, and not "already gone"."""
    static = {"fixed": write_adapter(tmp_path / "fixed")}
    sites = {profile: new_site(profile=profile, runtime_lora=False, static=static) for profile in SUPPORTED}
    for site in sites.values():
        site.artifact("sql")
    before = served(sites)
    task = LOAD + "  ignore_errors: true\n" + UNLOAD
    run = run_on_all(sites, task, tmp_path / "run", rc=2, options=options)
    expected = dict.fromkeys(SUPPORTED, ("failed", "runtime_lora_disabled", False))
    assert refused(run.of("load")) == expected
    assert refused(run.of("unload")) == expected
    assert all("VLLM_ALLOW_RUNTIME_LORA_UPDATING=True" in result.msg for result in run.results)
    assert served(sites) == before


def test_lora_off(new_site: NewSite, tmp_path: Path) -> None:
    sites = {profile: new_site(profile=profile, enable_lora=False) for profile in SUPPORTED}
    for site in sites.values():
        site.artifact("sql")
    run = run_on_all(sites, LOAD, tmp_path / "run", rc=2)
    assert refused(run.of("load")) == dict.fromkeys(SUPPORTED, ("failed", "lora_disabled", False))
    assert all("--enable-lora" in result.msg for result in run.results)


def test_wrong_key(new_site: NewSite, tmp_path: Path) -> None:
    sites = {profile: new_site(profile=profile, api_key="sesame") for profile in SUPPORTED}
    run = run_on_all(sites, LOAD, tmp_path / "run", rc=2)
    assert refused(run.of("load")) == dict.fromkeys(SUPPORTED, ("failed", "unauthorized", False))
    assert not any(site.watched.writes for site in sites.values())


def test_too_old(new_site: NewSite, tmp_path: Path) -> None:
    """It cannot show what it serves, so whatever was done could not be confirmed."""
    sites = {"v0.6": new_site(profile="0.6.6"), "current": new_site()}
    for site in sites.values():
        site.artifact("sql")
    run = run_on_all(sites, LOAD, tmp_path / "run", rc=2)
    assert run.of("load")["current"].changed
    refusal = run.of("load")["v0.6"]
    assert (refusal.status, refusal.code) == ("failed", "invalid_request")
    assert "vLLM '0.6.6.post1', which cannot show what it serves; upgrade it to 0.7.0 or later" in refusal.msg
    assert sites["v0.6"].watched.writes == []


def test_refused_load_is_told_from_a_server_that_went_with_it(new_site: NewSite, tmp_path: Path) -> None:
    """From 0.18 on, a bad artifact and an engine that died are both answered 500; only /health tells the two apart, and
    not behind a proxy that hides it."""
    died = {"error": {"message": "EngineCore encountered an issue."}}
    faults = {
        "engine-died": (
            Fault("POST", "/v1/load", "answer", status=500, json=died),
            Fault("GET", "/health", "answer", status=503),
        ),
        "server-gone": (Fault("POST", "/v1/load", "die_after"),),
        "health-hidden": (Fault("GET", "/health", "answer", status=404),),
    }
    sites = {name: new_site() for name in faults}
    for name, site in sites.items():
        site.artifact("sql", "first" if name == "engine-died" else "rank64")
        site.watched.faults.add(*faults[name])
    loaded = run_on_all(sites, LOAD, tmp_path / "run", rc=None).of("load")
    assert {name: (result.status, result.code) for name, result in loaded.items()} == {
        "engine-died": ("failed", "server_error"),
        "server-gone": ("unreachable", "unreachable"),
        "health-hidden": ("failed", "artifact_rejected"),
    }
    assert loaded["engine-died"]["error"]["hint"].startswith("read the server's log")
    assert "before that: Could not load adapter 'sql'" in loaded["server-gone"].msg
    assert "LoRA rank 64" in loaded["server-gone"].msg


def test_server_that_goes_after_a_refusal_is_told_with_the_refusal(new_site: NewSite, tmp_path: Path) -> None:
    """ "Connection refused" alone would hide why it went."""
    two = "adapters: [{name: sql, path: '{{ artifacts }}/rank64'}, {name: tickets, path: '{{ artifacts }}/first'}]"
    tasks = {
        "converge": f"sovereign.vllm.vllm_lora_adapters: {{{two}}}",
        "unload": "sovereign.vllm.vllm_lora_adapter: {name: served, state: absent}",
        "ask": "sovereign.vllm.vllm_smoke_test: {models: [served, '{{ base }}']}",
        "read": "sovereign.vllm.vllm_base_model_info:",
    }
    cases = {
        "at_the_next_write": ("converge", "LoRA rank 64", [Fault("POST", "/v1/load", "die", after=1)]),
        "at_the_last_reading": ("converge", "LoRA rank 64", [Fault("GET", "/v1/models", "die", after=1)]),
        "when_asked_again": ("unload", "Stuck.", [refused_once("/v1/unload", "Stuck."), Fault("POST", "/v1/", "die")]),
        "at_the_next_model": ("ask", "Stuck.", [refused_once("/v1/compl", "Stuck."), Fault("POST", "/v1/", "die")]),
        "before_a_repetition": (
            "read",
            "Shutting down.",
            [
                Fault("GET", "/v1/models", "answer", times=1, status=503, text="Shutting down."),
                Fault("GET", "/", "die"),
            ],
        ),
    }
    sites = {case: new_site(host={**IN_WORKER, "case": task}) for case, (task, _words, _faults) in cases.items()}
    for case, (_task, _words, faults) in cases.items():
        site = sites[case]
        site.artifact("rank64", "rank64")
        site.server.load("served", site.artifact("first"))
        site.watched.faults.add(*faults)
    play = "\n".join(f"- name: {name}\n  {task}\n  when: case == '{name}'" for name, task in tasks.items())
    run = run_on_all(sites, play, tmp_path / "run", rc=None)
    for case, (task, words, _faults) in cases.items():
        result = run.of(task)[case]
        assert (result.status, result.code) == ("unreachable", "unreachable"), case
        assert words in result.msg and "before that: " in result.msg, case
        assert words in result["error"]["detail"], case


def refused_once(route: str, words: str) -> Fault:
    message = {"error": {"message": words, "type": "InternalServerError", "param": None, "code": 500}}
    return Fault("POST", route, "answer", times=1, status=500, json=message)
