# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sites an audit judges: those with a declaration, and not those that it comes to later."""

from __future__ import annotations

import html
import json
import re

import pytest

from tests.support.playbook import IN_WORKER

from .audited_fleet import REPORT, TELL, Fleet, verdicts


@pytest.mark.parametrize("source", ["live", "inventory"])
def test_a_site_for_which_nothing_is_declared_is_not_audited(fleet: Fleet, source: str) -> None:
    """A name that is misspelled declares nothing, and null is a mistake; but an empty list is a declaration."""
    fleet.declared_in = "lora_adaptors"
    fleet.plain = {"edge1": {"lora_adapters": []}, "edge2": {"lora_adapters": None}}
    run = fleet.audit(drift_audit_source=source, drift_report_fail_on="drifted,not_declared")
    sites = {site["name"]: site for site in fleet.report()["sites"]}
    assert {name: site["verdict"] for name, site in sites.items()} == {
        "edge1": "drifted",
        "edge2": "failed",
        "edge3": "not_declared",
    }
    assert "lora_adapters is null; give a list" in sites["edge2"]["reason"]
    assert "variable lora_adapters is not defined, but lora_adaptors is" in sites["edge3"]["reason"]
    assert sites["edge3"]["reason"] in html.unescape(fleet.page())
    assert sites["edge2"]["adapters"] == sites["edge3"]["adapters"] == []
    assert run.returncode == 2
    assert re.search(r'"drift_report_not_declared": \[\s*"edge3"\s*\]', run.stdout)

    fleet.plain["edge1"]["lora_adapters"] = None
    run = fleet.audit(drift_audit_source=source)
    assert run.returncode == 2, "an audit that audited nothing fails unasked"
    assert "No site was audited. 3 sites: " in " ".join(run.stdout.split())


def test_the_report_is_not_about_hosts_that_are_still_to_come(fleet: Fleet) -> None:
    """A play in batches, of which the first is one that drifted: it neither fails for the others nor ends the play."""
    audit = {
        "name": "Compare",
        "sovereign.vllm.vllm_lora_adapters": {
            "base_url": "{{ vllm_base_url }}",
            "adapters": "{{ lora_adapters }}",
            "prune": True,
        },
        "check_mode": True,
        "register": "drift_report_audit",
        "ignore_unreachable": True,
        "ignore_errors": True,
    }
    play = [{**REPORT[0], "hosts": "edge2:edge3:edge1", "serial": 1, "tasks": [audit, *REPORT[0]["tasks"]]}]
    (fleet.directory / "batches.yml").write_text(json.dumps(play))
    fleet.plain = dict.fromkeys(("edge1", "edge2", "edge3"), IN_WORKER)
    (fleet.directory / "notify.yml").write_text(json.dumps(TELL))
    run = fleet.audit(
        "batches.yml",
        drift_report_directory="{{ ansible_play_batch[0] }}",
        drift_report_fail_on=["drifted"],
        drift_report_notify="notify.yml",
    )
    first, second, last = (
        json.loads((fleet.directory / host / "drift.json").read_text()) for host in ("edge2", "edge3", "edge1")
    )
    assert verdicts(first) == {"edge2": "drifted"}
    assert first["awaited"] == ["edge1", "edge3"] and not first["failure"]
    assert verdicts(second) == {"edge2": "drifted", "edge3": "unreachable"}
    assert verdicts(last) == {"edge1": "in_sync", "edge2": "drifted", "edge3": "unreachable"}
    assert not last["awaited"] and last["failure"] and run.returncode == 2
    # Only the last batch tells people.
    assert (fleet.directory / "told").read_text() == "2 of 3 sites need attention\n"
