# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module, role, audits, filters and event source give one verdict on a site, in the same words, in every state."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from tests.eda.source import helper_of_source
from tests.support.asking import ask
from tests.support.guide import shell
from tests.support.playbook import Run, run_playbook

from .states import STATES, UNRESOLVABLE, States, running_states

pytestmark = pytest.mark.timeout(600)
PROJECT = Path(__file__).parents[2]
SCHEMA = json.loads((PROJECT / "roles" / "drift_report" / "files" / "drift.schema.json").read_text(encoding="utf-8"))
SITES = ["-i", "hosts.json", "-i", "sites.vllm.yml"]
UNREACHABLE = {"unreachable", "timeout", "dns", "tls"}
# What the role does before it serves, and what tells that it cannot.
ROLE_TASKS = (
    "Read the variables of the role",
    "List the adapters that are served at the start",
    "Stage the artifacts",
    "Serve the declared adapters",
)
PATHS = """
- name: module
  sovereign.vllm.vllm_lora_adapters:
    adapters: "{{ lora_adapters }}"
    prune: "{{ lora_prune | default(omit) }}"
    prune_exclude: "{{ lora_prune_exclude | default(omit) }}"
    prune_limit: "{{ lora_prune_limit | default(omit) }}"
    requires: "{{ lora_requires | default(omit) }}"
  when: lora_adapters is defined
  check_mode: true
  ignore_errors: true
  ignore_unreachable: true
- name: filter
  ansible.builtin.debug:
    msg: "{{ hostvars[inventory_hostname] | sovereign.vllm.lora_drift(lora_adapters, prune=lora_prune | default(false) | bool,
      prune_exclude=lora_prune_exclude | default([]), prune_limit=lora_prune_limit | default(none),
      requires=lora_requires | default({}), server_store=lora_store) }}"
  when: lora_adapters is defined
  ignore_errors: true
- name: role
  ansible.builtin.include_role:
    name: sovereign.vllm.lora
    apply:
      check_mode: true
  when: lora_adapters is defined
"""
Entries = list[tuple[Any, ...]]


def entries(result: Mapping[str, Any]) -> Entries:
    """The words about each adapter."""
    found = result.get("adapters") or []
    return sorted((one["name"], one["drift"], one["declared"], one["excluded"]) for one in found)


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory, examples: Path) -> Iterator[States]:
    with running_states(tmp_path_factory.mktemp("states"), examples) as states:
        yield states


def audit(states: States, source: str = "live") -> dict[str, dict[str, Any]]:
    """The sites of the report, which is as its schema says."""
    forms = (
        f"-e drift_audit_source={source} -e drift_report_formats=html,json,csv,junit -e drift_report_history=history"
    )
    files = "-e drift_report_textfile=vllm.prom -e drift_report_markdown=drift.md"
    # As audits of AWX run, in check mode, which is a run like any other for the history.
    playbook = "sovereign.vllm.drift_audit --check"
    shell(f"ansible-playbook {' '.join(SITES)} {playbook} {forms} {files}", states.directory, seconds=300)
    report = json.loads((states.directory / "drift_report" / "drift.json").read_text())
    jsonschema.validate(report, SCHEMA, cls=jsonschema.Draft202012Validator)
    return {site["name"]: site for site in report["sites"]}


def check_forms(states: States, first: dict[str, dict[str, Any]], second: dict[str, dict[str, Any]]) -> None:
    """All forms of the report tell the verdict on each site, and the second run remembers the first one."""
    directory = states.directory / "drift_report"
    history = json.loads((directory / "drift.json").read_text())["history"]
    lines = [json.loads(line) for line in (states.directory / "history").read_text().splitlines()]
    assert [line["site"] for line in lines] == [*first, *second]
    assert {name: site["since"] for name, site in first.items()} == dict.fromkeys(first, lines[0]["at"])
    assert history["previous_run"] == lines[0]["at"]
    assert history["changes"] == []
    assert {run["drifted"] for run in history["trend"]} == {
        sum(state.verdict == "drifted" for state in STATES.values())
    }

    with (directory / "drift.csv").open(newline="") as file:
        rows = {row["site"]: row["verdict"] for row in csv.DictReader(file)}
    cases = {
        case.get("name"): [one.get("type") for one in case]
        for case in ElementTree.parse(directory / "drift.xml").getroot()[0]
    }
    summary, metrics = ((states.directory / name).read_text() for name in ("drift.md", "vllm.prom"))
    for name, state in STATES.items():
        assert rows[name] == state.verdict
        assert cases[name] == ([] if state.verdict in ("in_sync", "undeclared") else [state.verdict])
        assert f'sovereign_vllm_site_verdict{{site="{name}",verdict="{state.verdict}"}} 1\n' in metrics
        assert (f"| `{name}` |" in summary) == (state.verdict != "in_sync")


def converge(states: States, *more: str, rc: int = 2) -> str:
    """Run the playbook on all sites at once. Some fail, since not all can be healed."""
    command = f"ansible-playbook {' '.join(SITES)} sovereign.vllm.converge -e lora_serial=100% -e lora_max_fail_percentage=100"
    return shell(" ".join([command, *more]), states.directory, rc=rc, seconds=300)


def told_by_tasks(states: States) -> dict[str, dict[str, tuple[str, Entries]]]:
    run = run_playbook(PATHS, {}, states.directory, options=SITES, rc=None)
    told: dict[str, dict[str, tuple[str, Entries]]] = {"module": {}, "filter": {}, "role": {}}
    for name, state in STATES.items():
        for how, tasks in (("module", ("module",)), ("role", ROLE_TASKS)):
            result = last(run, tasks, name)
            if result is not None and not (how == "module" and state.is_by_src):
                told[how][name] = judged(result)
        result = run.of("filter")[name]
        if result.status != "skipped":
            found = result.values if result.status == "failed" else result["msg"]
            told["filter"][name] = (found.get("verdict", "failed"), entries(found))
    return told


def last(run: Run, tasks: tuple[str, ...], host: str) -> Any:
    """The result of the last of these tasks that the host ran, or of the first that failed."""
    found = None
    for task in tasks:
        result = run.of(task).get(host)
        if result is None or result.status == "skipped":
            continue
        found = result
        if result.status in ("failed", "unreachable"):
            break
    return found


def judged(result: Any) -> tuple[str, Entries]:
    if result.status in ("failed", "unreachable"):
        return ("unreachable" if result.code in UNREACHABLE else "failed"), entries(result.values)
    return result["verdict"], entries(result.values)


def told_by_events(states: States) -> dict[str, tuple[str, Entries]]:
    """The verdict of the event source on each answer, with the file that the playbook declaration writes."""
    file = states.directory / "declaration.yml"
    partial = f"-e lora_declaration_partial=true -e lora_declaration_file={file}"
    # The hosts that cannot be resolved fail.
    shell(f"ansible-playbook {' '.join(SITES)} sovereign.vllm.declaration {partial}", states.directory, rc=2)
    events, reader = helper_of_source("_events"), helper_of_source("_declaration_file")
    told = {}
    for target in reader.read_declaration(file, {}):
        if target.name != "offline":
            url = target.endpoint.base_url
            reply = ask(url, "GET", "/v1/models")
            seen = events.judge(target, events.Answer(url, reply.status, reply.text), "0.32.0")
            told[target.name] = (seen.state, entries({"adapters": [one.__dict__ for one in seen.difference]}))
    return told


def test_all_paths_give_one_verdict(states: States) -> None:
    states.clear_logs()
    reports = {source: audit(states, source) for source in ("live", "inventory")}
    told: dict[str, dict[str, tuple[str, Entries]]] = told_by_tasks(states)
    for source, sites in reports.items():
        told[source] = {name: (site["verdict"], entries(site)) for name, site in sites.items()}
    assert not states.writes()
    check_forms(states, reports["live"], reports["inventory"])
    told["events"] = told_by_events(states)

    for name, state in STATES.items():
        verdicts = {how: verdicts[name][0] for how, verdicts in told.items() if name in verdicts}
        assert verdicts == dict.fromkeys(verdicts, state.verdict), name
        assert {"live", "inventory"} <= verdicts.keys(), name
        if state.declared is not None:
            assert {"filter", "role"} <= verdicts.keys(), name
        assert ("events" in verdicts) == (name not in (*UNRESOLVABLE, "offline")), name
        words = {how: told[how][name][1] for how in verdicts if how != "events"}
        assert words == dict.fromkeys(words, words["live"]), name
        differing = [one for one in words["live"] if one[1] != "none"]
        assert {adapter: drift for adapter, drift, *_rest in differing} == state.drifts, name
        # An event also names the adapters that are not declared.
        shown = [one for one in told["events"].get(name, ("", differing))[1] if one[1] != "none"]
        assert shown == differing, name


def test_a_plan_approved_for_one_state_is_refused_in_another_and_then_heals(states: States) -> None:
    before = audit(states)
    (states.directory / "drift_report" / "drift.json").rename(states.directory / "approved.json")
    states.meddle()
    states.clear_logs()
    refused = converge(states, "-e lora_approved=approved.json")
    assert not states.writes(), refused
    judged = [name for name, site in before.items() if site["verdict"] in ("drifted", "in_sync", "undeclared")]
    for name in judged:
        assert re.search(rf"\[{name}\]: FAILED! => .*plan_changed", refused), name

    states.undo()
    healable = [name for name, state in STATES.items() if state.healed]
    output = converge(states, "-e lora_approved=approved.json", f"--limit {','.join(healable)}", rc=0)
    after = audit(states)
    for name, state in STATES.items():
        assert after[name]["verdict"] == (state.healed or state.verdict), (name, output)
