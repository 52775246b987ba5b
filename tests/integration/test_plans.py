# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on a server, the plan that somebody approved, and the server that a declaration was made for."""

from __future__ import annotations

import json

import pytest

from tests.stand_in import Fault

from .conftest import NewSite

MODULE = "sovereign.vllm.vllm_lora_adapters"


def tasks(**cases: dict) -> str:
    """One task a case, in check mode where the name ends in `audit`. None stops the next."""
    return "\n".join(
        "- " + json.dumps({"name": name, MODULE: options, "check_mode": name.endswith("audit"), "ignore_errors": True})
        for name, options in cases.items()
    )


def test_verdicts_and_what_they_cost(new_site: NewSite) -> None:
    site = new_site()
    path = site.artifact("sql")
    for name in ("sql", "extra"):
        site.server.load(name, path)
    sql, other = {"name": "sql", "path": path}, {"name": "sql", "path": f"{path}-2"}
    run = site.run(
        tasks(
            undeclared={"adapters": [sql]},
            excluded={"adapters": [sql], "prune_exclude": ["ex*"]},
            excluded_with_prune={"adapters": [sql], "prune_exclude": ["ex*"], "prune": True},
            required={"adapters": [sql], "requires": {"base_models": [{"root": None, "id": "tiny"}]}},
            pruned_audit={"adapters": [sql], "prune": True},
            drifted_audit={"adapters": [other]},
            conflict_audit={"adapters": [{**sql, "name": "tiny"}]},
        )
    )
    verdicts = {name: run[name]["verdict"] for name in (result.task for result in run.results)}
    assert verdicts == {
        "undeclared": "undeclared",
        "excluded": "in_sync",
        "excluded_with_prune": "in_sync",
        "required": "undeclared",
        "pruned_audit": "drifted",
        "drifted_audit": "drifted",
        "conflict_audit": "failed",
    }
    for name in ("undeclared", "excluded", "excluded_with_prune", "required"):
        assert not run[name].changed
        entries = {e["name"]: (e["declared"], e["excluded"], e["drift"], e["action"]) for e in run[name]["adapters"]}
        assert entries == {
            "sql": (True, False, "none", "none"),
            "extra": (False, name.startswith("excluded"), "none", "none"),
        }
    one_read = site.server.reading
    assert site.asked[: 4 * len(one_read)] == one_read * 4
    assert site.server.served() == {"sql": path, "extra": path}


@pytest.mark.parametrize("hidden", [False, True])
def test_nothing_is_written_to_another_server_than_required(new_site: NewSite, hidden: bool) -> None:
    site = new_site(profile="0.32")
    path = site.artifact("sql")
    site.server.load("stray", path)
    if hidden:
        site.watched.faults.add(Fault("GET", "/version", "answer", status=404))
    requires = {"version": ">=0.33,<0.34", "base_models": [{"id": "tiny", "root": "/models/other"}]}
    options = {"adapters": [{"name": "sql", "path": path}], "prune": True, "prune_limit": 0, "requires": requires}
    run = site.run(tasks(first_audit=options, real=options))
    assert {request.split()[0] for request in site.asked} == {"GET"}
    assert site.asked.count("GET /version") == 2
    assert site.server.served() == {"stray": path}
    audit, real = run["first_audit"], run["real"]
    assert (audit.status, audit["changed"], real.status, real.code) == ("ok", False, "failed", "server_differs")
    found = "the version of the server is not known" if hidden else "the server is vLLM '0.32.0'"
    for result in (audit, real):
        assert (result["verdict"], result["plan_id"]) == ("drifted", audit["plan_id"])
        assert {entry["name"]: (entry["drift"], entry["action"]) for entry in result["adapters"]} == {
            "sql": ("server", "none"),
            "stray": ("none", "none"),
        }
        assert result["summary"]["server"] == 1
        models, release = result["server"]
        assert "requires base model 'tiny' from '/models/other', and the server has it from" in models
        assert release == f"The declaration requires vLLM >=0.33,<0.34, and {found}."
    assert audit.warnings == audit["server"]
    assert all(sentence.rstrip(".") in real.msg for sentence in real["server"])
    assert "restore the server, or correct requires" in real["error"]["hint"]

    # A release is asked for once, for the requirement and for what the release can do.
    site.watched.faults.clear()
    site.run(tasks(met={**options, "prune_limit": 1, "requires": {"version": "<0.33"}}))
    assert site.asked.count("GET /version") == 1
    assert site.server.served() == {"sql": path}


def test_only_the_plan_that_was_approved_is_carried_out(new_site: NewSite) -> None:
    site = new_site()
    path = site.artifact("sql")
    site.server.load("stray", path)
    declared = [{"name": name, "path": path} for name in ("sql", "tickets")]
    options = {"adapters": declared, "prune": True}
    audit = site.run(tasks(first_audit=options))["first_audit"]
    approved = {**options, "adapters": declared[::-1], "expect_plan": audit["plan_id"]}

    site.server.load("late", path)
    run = site.run(tasks(late=approved, late_audit=approved, malformed={**options, "expect_plan": ""}))
    for name in ("late", "late_audit"):
        assert (run[name].status, run[name].code) == ("failed", "plan_changed")
        assert "the server or the declaration changed since" in run[name].msg
        assert "load 'tickets', load 'sql', unload 'stray', unload 'late'" in run[name].msg
        assert "audit the site again" in run[name]["error"]["hint"]
    assert (run["malformed"].code, "plan_id of an audit" in run["malformed"].msg) == ("invalid_request", True)
    assert {request.split()[0] for request in site.asked} == {"GET"}
    assert set(site.server.served()) == {"stray", "late"}

    site.server.unload("late")
    run = site.run(tasks(other={**approved, "prune": False}, approved=approved, again=approved))
    assert run["other"].code == "plan_changed"
    assert run["approved"].changed and run["approved"]["plan_id"] == audit["plan_id"]
    # The plan is carried out, so that there is another one, which nobody approved.
    assert run["again"].code == "plan_changed" and "write nothing" in run["again"].msg
    assert set(site.server.served()) == {"sql", "tickets"}


MISTAKES = {
    "key": ({"bases": []}, "bases"),
    "element": ({"base_models": [{"name": "tiny"}]}, "name"),
    "empty": ({"base_models": [{}]}, "give id, root or both"),
    "version": ({"version": "0.31+"}, "'0.31+'"),
    "list": (["x"], "dictionary requested"),
}


def test_mistaken_requirements_are_told_before_any_request(new_site: NewSite) -> None:
    site = new_site()
    run = site.run(tasks(**{name: {"adapters": [], "requires": given} for name, (given, _part) in MISTAKES.items()}))
    assert site.asked == []
    for name, (_given, part) in MISTAKES.items():
        assert (run[name].status, run[name].code) == ("failed", "invalid_request"), name
        assert part in run[name].msg, name
