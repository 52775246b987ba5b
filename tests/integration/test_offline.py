# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Offline is not deleted: a server that gives no usable answer is UNREACHABLE, as Ansible means it, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stand_in import Fault, write_adapter
from tests.support.playbook import AS_MODULE, IN_WORKER
from tests.support.site import Site, run_on_all

from .conftest import NewSite

TASKS = """
- name: declare
  sovereign.vllm.vllm_lora_adapter: {name: sql, path: /srv/sql}
- name: never run
  ansible.builtin.debug:
"""
MODULES = {
    "vllm_lora_adapter": "{name: sql, state: absent}",
    "vllm_lora_adapters": "{adapters: [], prune: true}",
    "vllm_base_model_info": "",
    "vllm_server_info": "",
}
# No usable answer; and what is an answer, but none to believe.
SILENT = {
    "refused": ("unreachable", None),
    "reset": ("unreachable", Fault("GET", "/", "reset")),
    "cut-short": ("unreachable", Fault("GET", "/", "short_body")),
    "silent": ("timeout", Fault("GET", "/", "silence")),
    "trickling": ("timeout", Fault("GET", "/", "trickle_body", interval=0.2)),
    "bad-gateway": ("unreachable", Fault("GET", "/", "answer", status=502)),
    "unavailable": ("unreachable", Fault("GET", "/", "answer", status=503)),
    "gateway-time-out": ("unreachable", Fault("GET", "/", "answer", status=504)),
}
ANSWERING = {
    "captive-portal": ("not_vllm", Fault("GET", "/", "html")),
    "redirect": ("not_vllm", Fault("GET", "/", "redirect")),
    "cut-JSON": ("not_vllm", Fault("GET", "/", "cut_json")),
    "empty-list": ("not_vllm", Fault("GET", "/v1/models", "empty_list")),
    "endless": ("not_vllm", Fault("GET", "/v1/models", "endless")),
    "throttled": ("throttled", Fault("GET", "/", "answer", status=429)),
    "forbidden": ("forbidden", Fault("GET", "/", "answer", status=403)),
    "server-error": ("server_error", Fault("GET", "/", "answer", status=500)),
}


def failing(new_site: NewSite, faults: dict[str, tuple[str, Fault | None]]) -> dict[str, Site]:
    """Sites that all serve an adapter, and then fail."""
    sites = {name: new_site() for name in faults}
    for site, (_code, fault) in zip(sites.values(), faults.values(), strict=True):
        site.server.load("sql", site.artifact("sql"))
        site.watched.clear_log()
        site.watched.faults.add(fault) if fault else site.watched.kill()
    return sites


@pytest.mark.parametrize(("faults", "word"), [(SILENT, "unreachable"), (ANSWERING, "failed")], ids=["silent", "odd"])
@pytest.mark.parametrize("options", [[], ["--check"]], ids=["for real", "check mode"])
def test_no_usable_answer_is_unreachable_and_an_odd_one_a_failure(
    new_site: NewSite, tmp_path: Path, faults: dict[str, tuple[str, Fault | None]], word: str, options: list[str]
) -> None:
    sites = failing(new_site, faults)
    # Reading an endless body up to the limit takes a while.
    patience = 3 if word == "unreachable" else 60
    tasks = TASKS.replace("path: /srv/sql", f"state: absent, timeout: {patience}, retries: 1")
    run = run_on_all(sites, tasks, tmp_path / "run", rc=None, options=options)

    results = run.of("declare")
    assert {name: result.code for name, result in results.items()} == {
        name: code for name, (code, _fault) in faults.items()
    }
    for name, site in sites.items():
        assert (results[name].status, results[name].changed) == (word, False)
        recap = run.recap[name]
        assert (recap["unreachable"], recap["failures"]) == ((1, 0) if word == "unreachable" else (0, 1))
        assert site.watched.writes == []
        assert site.watched.url in results[name].msg
    assert run.rc == (4 if word == "unreachable" else 2)
    assert run.of("never run") == {}


@pytest.mark.parametrize("host", [IN_WORKER, AS_MODULE], ids=["in the worker", "as a module"])
def test_every_module_reports_unreachable(new_site: NewSite, host: dict[str, str]) -> None:
    site = new_site(host=host)
    site.watched.kill()
    tasks = "\n".join(
        f"- name: {module}\n  sovereign.vllm.{module}: {options}\n  ignore_unreachable: true\n"
        for module, options in MODULES.items()
    )
    run = site.run(tasks)
    assert [(result.status, result.code) for result in run.results] == [("unreachable", "unreachable")] * len(MODULES)
    assert run.recap["site"]["ignored"] == run.recap["site"]["ok"] == len(MODULES)


def test_unreachable_can_be_ignored_cleared_and_told_from_a_failure(new_site: NewSite) -> None:
    site = new_site()
    site.watched.kill()
    run = site.run(
        """
        - name: ignored
          sovereign.vllm.vllm_lora_adapter: {name: sql, path: /srv/sql}
          ignore_unreachable: true
          register: ignored
        - name: told apart
          ansible.builtin.assert: {that: [ignored is unreachable, ignored is not failed, ignored is not changed]}
        - name: not an error
          sovereign.vllm.vllm_lora_adapter: {name: sql, path: /srv/sql}
          ignore_errors: true
        - name: clear
          ansible.builtin.meta: clear_host_errors
        """,
        rc=4,
    )
    assert run["told apart"].status == "ok"
    assert run["not an error"].status == "unreachable"
    assert run.recap["site"]["unreachable"] == 1


def test_as_failed_it_can_be_rescued_and_waited_out(new_site: NewSite) -> None:
    site = new_site()
    path = site.artifact("sql")
    site.watched.faults.add(Fault("GET", "/v1/models", "reset", times=4))
    run = site.run(
        """
        - block:
            - name: fail
              sovereign.vllm.vllm_lora_adapter:
                {name: sql, path: "{{ artifacts }}/sql", unreachable_as: failed, retries: 0}
          rescue:
            - name: rescue
              ansible.builtin.assert: {that: ansible_failed_result.error.code == 'unreachable'}
        - name: wait out
          sovereign.vllm.vllm_lora_adapter:
            {name: sql, path: "{{ artifacts }}/sql", unreachable_as: failed, retries: 0}
          register: converged
          until: converged is not failed
          retries: 5
          delay: 0
        """
    )
    assert (run["fail"].status, run["fail"].code) == ("failed", "unreachable")
    assert run.recap["site"]["rescued"] == 1
    assert (run["wait out"].changed, run["wait out"]["attempts"]) == (True, 4)
    assert site.server.served() == {"sql": path}


def test_reads_are_retried(new_site: NewSite) -> None:
    site = new_site()
    site.watched.faults.add(
        Fault("GET", "/v1/models", "reset", times=1),
        Fault("GET", "/v1/models", "answer", times=1, status=503),
        Fault("GET", "/v1/models", "answer", times=1, status=429, headers={"Retry-After": "0"}),
    )
    run = site.run("- name: info\n  sovereign.vllm.vllm_base_model_info: {retries: 3}")
    assert site.asked == ["GET /v1/models"] * 4
    assert run["info"]["base_models"][0]["id"] == "tiny"


def test_restarted_server_has_drifted_and_is_healed(new_site: NewSite, tmp_path: Path) -> None:
    site = new_site(static={"fixed": write_adapter(tmp_path / "fixed")})
    new = site.artifact("new")
    tasks = """
    - name: converge
      sovereign.vllm.vllm_lora_adapters:
        adapters: [{name: sql, path: "{{ artifacts }}/new"}, {name: fixed, path: "{{ artifacts }}/new"}]
    """
    assert site.run(tasks)["converge"]["summary"] == {
        "none": 0, "missing": 1, "path": 1, "base_model": 0, "unexpected": 0, "server": 0, "revoked": 0
    }  # fmt: skip
    site.watched.restart()
    assert set(site.server.served()) == {"fixed"}
    assert site.run(tasks)["converge"].changed
    assert site.server.served() == {"fixed": new, "sql": new}
    assert not site.run(tasks)["converge"].changed
