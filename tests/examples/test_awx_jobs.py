# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The project of examples/awx, run as the controller runs jobs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.examples.arguments import tasks_of
from tests.examples.awx import Awx, Job
from tests.examples.conftest import EXAMPLES
from tests.examples.fleet import DECLARED, KEY, SITES, Fleet

AUDITED = "Compare the server with the declaration"
SERVED = "Serve the declared adapters"


@pytest.fixture
def fleet(tmp_path: Path, examples: Path) -> Iterator[Fleet]:
    with ExitStack() as servers:
        yield Fleet(tmp_path / "project", examples, servers)


@pytest.fixture
def awx(fleet: Fleet, tmp_path: Path) -> Awx:
    """A controller that has updated its inventory."""
    awx = Awx(tmp_path, {"VLLM_API_KEY": KEY})
    awx.update_inventory("inventory/sites.vllm.yml")
    return awx


def audit_variables() -> dict[str, Any]:
    """What the template of the audit sets."""
    tasks = tasks_of(EXAMPLES / "awx" / "controller.yml")
    return next(task.arguments["extra_vars"] for task in tasks if task.arguments.get("playbook") == "audit.yml")


def assert_no_leak(awx: Awx, *jobs: Job) -> None:
    """Of all files that the controller and its jobs wrote, and all that it knows of them, none holds the key."""
    files = [file for file in awx.directory.rglob("*") if file.is_file()]
    assert any(file.match("artifacts/*/job_events/*.json") for file in files)
    holders = {str(file.relative_to(awx.directory)) for file in files if KEY.encode() in file.read_bytes()}
    # But the credential itself, and where ansible-runner notes for its owner alone with what it started Ansible.
    assert holders == {"env/envvars", *(f"artifacts/{number + 1}/command" for number in range(len(jobs)))}
    assert KEY not in json.dumps([job.events for job in jobs]) + "".join(job.stdout for job in jobs)


def test_the_stored_inventory_has_every_site_and_no_key(awx: Awx) -> None:
    groups = awx.stored
    assert sorted(groups["vllm"]["hosts"]) == list(SITES)
    assert groups["vllm_unreachable"]["hosts"] == ["edge04"]
    assert {host["vllm_ask_from"] for host in groups["_meta"]["hostvars"].values()} == {"controller"}
    assert KEY not in json.dumps(groups)


def test_the_stored_inventory_is_plain_data(awx: Awx) -> None:
    """The controller's API shows the variables as they are stored. Only what may be a template is marked."""
    marked = re.findall(r'{"__ansible_unsafe": "([^"]*)"}', json.dumps(awx.stored))
    assert set(marked) == {"{{ 1 // 0 }}"}
    assert json.dumps(awx.stored).count("__ansible") == len(marked)


def test_audit_job(awx: Awx, fleet: Fleet) -> None:
    job = awx.run("audit.yml", check=True, **audit_variables())
    audited = job.hosts("runner_on_ok", AUDITED)
    assert {site: result["changed"] for site, result in audited.items()} == {
        "edge01": False,
        "edge02": True,
        "edge03": True,
    }
    assert list(job.hosts("runner_on_unreachable", AUDITED)) == ["edge04"]
    differences = [event["stdout"] for event in job.events if event["event"] == "runner_on_file_diff"]
    assert any("+  - name: summaries" in difference for difference in differences)
    assert job.artifacts["drift_report_drifted"] == ["edge02", "edge03"]
    assert job.artifacts["drift_report_unreachable"] == ["edge04"]
    assert job.artifacts["drift_report_failed"] == []
    # It fails on drift, which is what notifies and what leads to the approval in the workflow.
    assert (job.status, job.rc) == ("failed", 2)
    # The sites concerned fail and no other, so that a launch for the hosts that failed takes those.
    failed = [event["event_data"]["host"] for event in job.events if event["event"] == "runner_on_failed"]
    assert sorted(failed) == ["edge02", "edge03"]
    told = job.hosts("runner_on_failed", "Fail on this site")["edge02"]["msg"]
    assert "edge02" in told and "summaries is not served" in told
    assert not fleet.written()
    assert_no_leak(awx, job)


def test_converge_jobs_in_slices_then_an_audit_without_drift(awx: Awx, fleet: Fleet) -> None:
    # Values of a survey are text.
    survey = {"lora_serial": "50%", "lora_prune": "true"}
    first = awx.run("converge.yml", part=(1, 2), **survey)
    assert (first.status, first.rc) == ("successful", 0), first.stdout
    assert fleet.written() == ["edge03"]
    second = awx.run("converge.yml", part=(2, 2), **survey)
    # A site that is off keeps the job from being green, and nobody else from being served.
    assert (second.status, second.rc) == ("failed", 4), second.stdout
    assert fleet.written() == ["edge02", "edge03"]
    changed = {**first.hosts("runner_on_ok", SERVED), **second.hosts("runner_on_ok", SERVED)}
    assert {site: result["changed"] for site, result in changed.items()} == {
        "edge01": False,
        "edge02": True,
        "edge03": True,
    }
    for site in ("edge01", "edge02", "edge03"):
        assert fleet.served(site) == fleet.declared
    assert first.artifacts["lora_served_names"]["edge03"] == {name: name for name in DECLARED}

    audit = awx.run("audit.yml", check=True, **audit_variables())
    assert (audit.status, audit.rc) == ("successful", 0), audit.stdout
    assert audit.artifacts["drift_report_summary"]["in_sync"] == 3
    assert_no_leak(awx, first, second, audit)
