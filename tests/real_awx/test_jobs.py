# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of examples/awx on a real AWX, which this controller runs itself."""

from __future__ import annotations

import json
import re

import pytest

from tests.examples.fleet import KEY, SITES
from tests.real_awx.conftest import Configured
from tests.support.asking import eventually

AUDIT, CONVERGE, WORKFLOW = "vLLM drift audit", "vLLM converge", "vLLM audit, approve, converge"
NOTIFICATION_SECONDS = 60  # a last resort
ANSWERS = {"lora_serial": "50%", "lora_prune": "true"}


def test_audit(drifted: Configured) -> None:
    """The sites concerned fail and no other, so that a launch for the hosts that failed takes those."""
    job = drifted.jobs.launch(AUDIT)
    text = drifted.jobs.stdout(job)
    assert drifted.jobs.hosts(job) == {
        "edge01": "ok",
        "edge02": "failed",
        "edge03": "failed",
        # It does not answer. The audit ignores that.
        "edge04": "ok",
    }, text
    assert job["status"] == "failed"
    assert job["artifacts"]["drift_report_drifted"] == ["edge02", "edge03"]
    assert "summaries is not served" in text
    assert KEY not in drifted.jobs.everything(job)
    assert not drifted.fleet.written()


def test_an_audit_that_fails_notifies(drifted: Configured) -> None:
    job = drifted.jobs.launch(AUDIT)

    def told() -> bool:
        return any(f"vLLM audit {job['id']} found drift" in json.loads(body)["text"] for body in drifted.notified)

    assert eventually(told, NOTIFICATION_SECONDS), drifted.notified


def test_the_hosts_show_plain_variables(drifted: Configured) -> None:
    """Only what may be a template is marked."""
    drifted.jobs.launch(AUDIT)
    found = drifted.awx.ask("GET", "hosts/?inventory__name=vLLM%20sites")["results"]
    assert [host["name"] for host in found] == list(SITES)
    stored = "".join(json.dumps(json.loads(host["variables"])) for host in found)
    marked = re.findall(r'{"__ansible_unsafe": "([^"]*)"}', stored)
    assert set(marked) == {"{{ 1 // 0 }}"}
    assert stored.count("__ansible") == len(marked)
    assert KEY not in stored


def test_a_launch_needs_both_answers_of_the_survey(configured: Configured) -> None:
    template = configured.jobs.template(CONVERGE)
    launch = f"job_templates/{template['id']}/launch/"
    assert set(configured.awx.ask("GET", launch)["variables_needed_to_start"]) == set(ANSWERS)
    with pytest.raises(AssertionError, match="'lora_prune' value missing"):
        configured.awx.ask("POST", launch, {"extra_vars": {"lora_serial": "50%"}})


def test_converge_in_four_slices(drifted: Configured) -> None:
    workflow = drifted.jobs.launch(CONVERGE, extra_vars=ANSWERS)
    jobs = drifted.jobs.nodes(workflow)
    assert {site: state for job in jobs for site, state in drifted.jobs.hosts(job).items()} == {
        "edge01": "ok",
        "edge02": "ok",
        "edge03": "ok",
        "edge04": "unreachable",
    }
    assert len(jobs) == 4
    for site in SITES[:3]:
        assert drifted.fleet.served(site) == drifted.fleet.declared


def test_a_limit_needs_one_slice(drifted: Configured) -> None:
    four = drifted.jobs.launch(CONVERGE, limit="edge02", extra_vars=ANSWERS)
    assert four["status"] == "failed"
    failed = [job for job in drifted.jobs.nodes(four) if job["status"] == "failed"]
    assert len(failed) == 3
    assert all("leaves us with no hosts to target" in drifted.jobs.stdout(job) for job in failed)

    drifted.fleet.servers["edge02"].unload("summaries")
    one = drifted.jobs.launch(CONVERGE, limit="edge02", job_slice_count=1, extra_vars=ANSWERS)
    assert (one["type"], one["status"]) == ("job", "successful")
    assert drifted.jobs.hosts(one) == {"edge02": "ok"}
    assert drifted.fleet.served("edge02") == drifted.fleet.declared


def test_a_relaunch_for_the_failed_hosts_takes_the_sites_concerned(drifted: Configured) -> None:
    audit = drifted.jobs.launch(AUDIT)
    again = drifted.jobs.relaunch(audit, hosts="failed")
    assert set(drifted.jobs.hosts(again)) == {"edge02", "edge03"}


def test_the_workflow_converges_after_approval(drifted: Configured) -> None:
    template = drifted.jobs.template(WORKFLOW)
    workflow = drifted.awx.ask("POST", f"workflow_job_templates/{template['id']}/launch/")
    drifted.jobs.approve(workflow)
    nodes = drifted.jobs.nodes(drifted.jobs.ended(workflow))
    assert {(job["type"], job["status"]) for job in nodes} == {
        ("job", "failed"),
        ("workflow_approval", "successful"),
        # Four slices, one of which has only the site that is off.
        ("workflow_job", "failed"),
    }
    for site in SITES[:3]:
        assert drifted.fleet.served(site).items() >= drifted.fleet.declared.items()
