# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook sovereign.vllm.converge: which sites take part, what a person has approved, and what it says at its end."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.guide import shell
from tests.support.site import Site

from .conftest import NewSite

pytestmark = pytest.mark.timeout(300)
CONVERGE = "ansible-playbook -i sites.json sovereign.vllm.converge"
# As from the inventory plugin. No node answers by ssh, and the controller asks the server.
ENDPOINT = {"vllm_ask_from": "controller", "vllm_reachable": True, "ansible_host": "nowhere.invalid"}
SHOWN = {"ANSIBLE_SHOW_CUSTOM_STATS": "1"}


def write_inventory(directory: Path, hosts: Mapping[str, Mapping[str, Any]], **variables: Any) -> None:
    inventory = {"vllm": {"hosts": hosts, "vars": {"vllm_retries": 0, "lora_smoke": "none", **variables}}}
    (directory / "sites.json").write_text(json.dumps(inventory))


def endpoint(site: Site, **variables: Any) -> dict[str, Any]:
    return {**ENDPOINT, "vllm_base_url": site.watched.url, **variables}


def outcome(output: str) -> dict[str, list[str]]:
    """The sites by their outcome, without empty lists, from the statistic of the job."""
    found = json.loads(re.search(r"RUN: (\{.*\})", output).group(1))["lora_rollout"]
    return {name: sites for name, sites in found.items() if sites}


def test_an_approved_report_is_applied_site_by_site(new_site: NewSite, tmp_path: Path) -> None:
    good, moved, late = (new_site(host={"ansible_connection": "local"}) for _site in range(3))
    hosts: dict[str, dict] = {}
    for name, site in {"good": good, "moved": moved}.items():
        store = {"lora_store": f"{site.artifacts}/store", "lora_adapters": [{"name": "sql", "src": site.artifact("a")}]}
        hosts[name] = {"ansible_connection": "local", "vllm_base_url": site.watched.url, **store}
    hosts["away"] = {**ENDPOINT, "vllm_base_url": "http://127.0.0.1:9", "lora_adapters": []}
    hosts["bare"] = {**ENDPOINT, "vllm_base_url": "http://127.0.0.1:9"}
    python = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    write_inventory(tmp_path, hosts, **python)
    shell("ansible-playbook -i sites.json sovereign.vllm.drift_audit -e drift_report_fail_on=failed", tmp_path)
    (tmp_path / "drift_report" / "drift.json").rename(tmp_path / "approved.json")

    # After the report, one site gets an adapter by hand, and another site joins.
    moved.server.load("by-hand", moved.artifact("by-hand"))
    hosts["late"] = endpoint(late, lora_adapters=[])
    write_inventory(tmp_path, hosts, **python)
    for site in (good, moved, late):
        site.watched.clear_log()
    output = shell(
        f"{CONVERGE} -e lora_approved=approved.json -e lora_serial=1 || test $? -eq 2", tmp_path, environment=SHOWN
    )
    assert outcome(output) == {
        "changed": ["good"],
        "failed": ["moved"],
        "restored": ["moved"],
        "not_declared": ["bare"],
        "not_approved": ["away", "late"],
    }
    for line in ("Wave 1 of 2: good", "Wave 2 of 2: moved", "not approved: away, late", "not declared: bare"):
        assert line in output
    assert '"code": "plan_changed"' in output
    assert list(good.server.served()) == ["sql"]
    assert not moved.watched.writes and list(moved.server.served()) == ["by-hand"]
    assert not Path(hosts["moved"]["lora_store"]).exists(), "an artifact of another plan is not staged either"
    assert not late.watched.log

    for wrong, words in {"nowhere.json": "which cannot be read", "sites.json": "which is no report"}.items():
        output = shell(f"! {CONVERGE} -e lora_approved={wrong}", tmp_path)
        assert words in output and "give the drift.json of an audit" in output
    assert not late.watched.log


def test_variables_that_shape_the_play_are_not_those_of_hosts(new_site: NewSite, tmp_path: Path) -> None:
    first, second = new_site(), new_site()
    hosts = {"first": endpoint(first, lora_adapters=[]), "second": endpoint(second, lora_adapters=[])}
    own = [{"ansible.builtin.import_playbook": "sovereign.vllm.converge", "vars": {"lora_serial": 2}}]
    (tmp_path / "own.json").write_text(json.dumps(own))

    def refused(variable: str, host: str) -> None:
        output = " ".join(shell(f"! {CONVERGE}", tmp_path).split())
        assert f"{variable} is a variable of {host} or of its groups" in output
        assert f"give it by -e {variable}=... or by a survey" in output
        assert "Wave 1 of" not in output

    write_inventory(tmp_path, hosts, lora_serial=5)
    refused("lora_serial", "first")
    # Who gives it to the play gives it well, whatever a group has.
    for command in (f"{CONVERGE} -e lora_serial=2", "ansible-playbook -i sites.json own.json"):
        output = shell(command, tmp_path, environment=SHOWN)
        assert "Wave 1 of 1: first, second" in output
        assert outcome(output) == {"unchanged": ["first", "second"]}
    write_inventory(tmp_path, {**hosts, "second": {**hosts["second"], "lora_max_fail_percentage": 50}})
    refused("lora_max_fail_percentage", "second")
    write_inventory(tmp_path, hosts, drift_audit_hosts="vllm")
    output = shell("! ansible-playbook -i sites.json sovereign.vllm.drift_audit", tmp_path)
    assert "drift_audit_hosts is a variable of second or of its groups" in " ".join(output.split())


def test_a_fleet_without_a_declaration_is_no_success(new_site: NewSite, tmp_path: Path) -> None:
    site = new_site()
    site.watched.clear_log()
    write_inventory(tmp_path, {"one": endpoint(site), "two": endpoint(site)})
    output = " ".join(shell(f"! {CONVERGE}", tmp_path).split())
    assert "Nothing was done: no site has both a declaration in lora_adapters and an approved plan." in output
    assert "not declared: one, two" in output
    assert not site.watched.log
