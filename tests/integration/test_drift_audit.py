# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook sovereign.vllm.drift_audit on a fleet with one site in sync, one that drifted and one that is off."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

from tests.stand_in import Fault

from .audited_fleet import HOSTILE, KEY, REPORT, TELL, Fleet, verdicts


@pytest.mark.parametrize("source", ["live", "inventory"])
def test_every_site_gets_its_verdict(fleet: Fleet, source: str) -> None:
    fleet.in_sync.load("extra", fleet.declared[0]["path"])
    fleet.plain = {"edge1": {"lora_prune_exclude": ["ext*"]}, "edge3": {"lora_prune": False}}
    fleet.groups = {"north": ["edge1", "edge3"], HOSTILE[0]: ["edge2"]}
    # As in an ansible.cfg for other work, under which a host would not wait for the others.
    run = fleet.audit(drift_audit_source=source, settings={"ANSIBLE_STRATEGY": "free"})
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("Show the report") == 1
    report = fleet.report()
    assert verdicts(report) == {"edge1": "in_sync", "edge2": "drifted", "edge3": "unreachable"}
    assert report["summary"] == {
        "sites": 3,
        "drifted": 1,
        "unreachable": 1,
        "failed": 0,
        "not_declared": 0,
        "undeclared": 0,
        "in_sync": 1,
        "waived": 0,
    }
    drifted = next(site for site in report["sites"] if site["name"] == "edge2")
    assert {cell["name"]: cell["verdict"] for cell in drifted["adapters"]} == {
        "sql": "drifted",
        **dict.fromkeys(HOSTILE, "unexpected"),
    }
    # All sites are in the group vllm, which tells nothing. Names of groups are not rendered.
    assert report["groups"] == ["north", HOSTILE[0]]
    assert drifted["groups"] == sorted(["vllm", HOSTILE[0]])
    assert report["run"]["inventory"] == ["plain.json", "sites.vllm.yml"]
    # What is served there now, in the report for machines, on the page and in the output.
    first, second = fleet.declared[0]["path"], fleet.declared[0]["path"].replace("first", "second")
    served = {cell["name"]: (cell["served"], cell["path"]) for cell in drifted["adapters"]}
    assert served["sql"] == ({"path": second, "parent": "tiny"}, first)
    assert served[HOSTILE[1]] == ({"path": first, "parent": "tiny"}, None)
    assert drifted["version"] == "0.32.0"
    assert f"is served from {second}, and is declared at {first}" in run.stdout
    assert f"is served from {first}, and is not declared" in run.stdout
    # The page shows what a converge would do.
    assert f"is served from another path: <code>{second}</code> → <code>{first}</code>" in fleet.page()
    assert re.search(r"are not declared\s* → unload", fleet.page())
    assert "edge2 (vLLM 0.32.0): drifted: sql is served from" in run.stdout
    unreachable = next(site for site in report["sites"] if site["name"] == "edge3")
    assert "refused" in unreachable["reason"]
    assert unreachable["adapters"] == []
    assert (unreachable["error"]["code"], unreachable["error"]["retryable"]) == ("unreachable", True)
    assert set(unreachable["error"]) == {"code", "http_status", "detail", "hint", "retryable"}
    assert "When it was last seen is not known." in fleet.page()
    in_sync = next(site for site in report["sites"] if site["name"] == "edge1")
    assert {cell["name"]: cell["verdict"] for cell in in_sync["adapters"]} == {"sql": "in_sync", "extra": "excluded"}
    # The same plan, whether the server was asked now or by the inventory: see test_plans.py.
    assert [bool(site["plan_id"]) for site in (drifted, unreachable, in_sync)] == [True, False, True]
    assert (drifted["error"], drifted["server"], drifted["counts_as"]) == (None, [], "drifted")
    if source == "live":
        assert in_sync["reason"] == "An interrupted run left a rehearsal of adapter 'sql' behind."
        assert in_sync["reason"] in html.unescape(fleet.page())
        assert "3 sites, audited" in fleet.page()
    else:
        assert f'seen <time datetime="{in_sync["last_seen"]}">' in fleet.page()
        assert "3 sites, as the inventory saw them" in fleet.page()
        skipped = re.findall(r"TASK \[(.*?)\] \*+\nskipping: ", run.stdout)
        assert skipped == [
            "sovereign.vllm.drift_report : Group the sites that fail the audit",
            "sovereign.vllm.drift_report : Run the tasks that tell people",
        ], "no site costs a task"
    # What AWX keeps of the job.
    assert "drift_report_drifted" in run.stdout

    for server in (fleet.in_sync, fleet.drifted):
        assert not server.writes
        lists = [request for request in server.log if request.path == "/v1/models"]
        assert len(lists) == (2 if source == "live" else 1), "the inventory asks once, and so does the live audit"

    assert not Path(fleet.pwned).exists()
    assert "<script>document.title" not in fleet.page()
    assert "&lt;script&gt;document.title" in fleet.page()
    assert KEY not in run.stdout + run.stderr + fleet.page() + json.dumps(report)


def test_findings_are_reported_where_they_are_asked_for(fleet: Fleet) -> None:
    fleet.audit(
        drift_audit_findings=True,
        drift_audit_adapters_from="{{ {'edge2': 'startup'}[inventory_hostname] | default('runtime') }}",
    )
    findings = {site["name"]: [f["id"] for f in site["findings"]] for site in fleet.report()["sites"]}
    assert findings == {
        "edge1": ["adapters_alias_open"],
        "edge2": ["adapters_alias_open", "runtime_lora_unneeded"],
        "edge3": [],
    }
    assert "The route /adapters loads and unloads adapters without the key." in fleet.page()
    assert fleet.page().count("though the server gets them only when it starts.") == 1
    for server in (fleet.in_sync, fleet.drifted):
        assert {request.method for request in server.log} == {"GET"}


@pytest.mark.parametrize(("fail_on", "rc"), [(["unreachable"], 2), (["failed"], 0)])
def test_the_job_fails_on_what_it_is_asked_to(fleet: Fleet, fail_on: list[str], rc: int) -> None:
    # Somebody is told before, and a failure of that changes no verdict.
    (fleet.directory / "notify.yml").write_text(json.dumps(TELL))
    run = fleet.audit(drift_report_fail_on=fail_on, drift_report_notify="notify.yml")
    assert run.returncode == rc, run.stdout + run.stderr
    told = " ".join(run.stdout.split())
    assert f"The task 'Fail to tell somebody else' of {fleet.directory}/notify.yml failed" in told
    assert (fleet.directory / "told").read_text() == "2 of 3 sites need attention\n"
    # The site concerned fails, and no other.
    assert ('fatal: [edge3]: FAILED! => {"changed": false, "msg": "edge3: unreachable: ' in told) == (rc == 2)
    assert told.count("FAILED!") == (rc == 2) + 1
    assert fleet.report()["summary"]["sites"] == 3


def test_what_cannot_be_audited_from_here_is_said_to_be_so(fleet: Fleet) -> None:
    fleet.declared = [{"name": "sql", "src": "sql.tar.gz"}]
    # To its node an address of its own, and here the address of somebody else.
    elsewhere = {"ansible_host": "192.0.2.7", "vllm_ask_from": "controller", "vllm_base_url": fleet.in_sync.url}
    fleet.plain = {"node": {**elsewhere, "lora_adapters": []}}
    run = fleet.audit(drift_report_fail_on=["failed"])
    reasons = {site["name"]: site["reason"] for site in fleet.report()["sites"] if site["verdict"] == "failed"}
    assert set(reasons) == {"edge1", "edge2", "edge3", "node"} and run.returncode == 2
    assert "'sql': there is no directory or archive 'sql.tar.gz'" in reasons["edge1"]
    assert f"at {fleet.in_sync.url} as its node sees it" in reasons["node"]
    assert [request.path for request in fleet.in_sync.log].count("/v1/models") == 1, "the inventory's own"


def test_an_answer_that_is_no_model_list_is_neither_drift_nor_sync(fleet: Fleet) -> None:
    fleet.drifted.faults.add(Fault("GET", "/v1/models", "html"))
    fleet.plain = {"edge4": {}}
    fleet.options = {"from_hosts": {"pattern": "edge4", "base_url": "http://{{ nowhere }}:8000"}}
    run = fleet.audit(drift_report_fail_on=["drifted", "failed"])
    expected = {"edge1": "in_sync", "edge2": "failed", "edge3": "unreachable", "edge4": "failed"}
    assert verdicts(fleet.report()) == expected
    reason = next(site["reason"] for site in fleet.report()["sites"] if site["name"] == "edge4")
    assert "'nowhere' is undefined" in reason  # and not that an address is missing
    assert run.returncode == 2
    assert "4 sites: 1 in sync, 0 undeclared, 0 drifted, 1 unreachable, 2 not audited" in " ".join(run.stdout.split())
    assert re.search(r'"drift_report_failed": \[\s*"edge2",\s*"edge4"\s*\]', run.stdout)


def test_what_one_site_has_of_its_own_is_no_matter_of_the_others(fleet: Fleet, examples: Path) -> None:
    """Its options for pruning, its requirements, and a declaration that cannot be used."""
    fleet.in_sync.load("extra", examples / "first")
    undefined = {"lora_adapters": "{{ [{'name': 'sql', 'path': nowhere}] }}"}
    staged = {"lora_adapters": [{"name": "sql", "src": "sql.tar.gz"}]}
    fleet.plain = {"edge1": {"lora_prune": "{{ false }}"}, "edge7": {"vllm_base_url": "http://{{ nowhere }}:8000"}}
    own = {
        "edge4": {"lora_prune_exclude": ["extra"]},
        "edge8": {"lora_requires": {"base_models": [{"id": "huge"}], "version": ">=0.33"}},
        "edge9": {"lora_requires": {"version": "new"}},
        "edge10": {"lora_prune_limit": "0"},
        "edge11": {"lora_prune": "{{ nowhere }}"},
    }
    seen = {
        "vllm_base_url": fleet.in_sync.url,
        "vllm_reachable": True,
        "vllm_server_version": "0.32.0",
        "vllm_base_models": [{"id": "tiny", "root": "tiny", "max_model_len": 256, "aliases": []}],
        "vllm_served_adapters": [
            {"name": name, "root": str(examples / "first"), "parent": "tiny"} for name in ("sql", "extra")
        ],
    }
    fleet.plain |= {name: {**seen, **variables} for name, variables in own.items()}
    fleet.more += [
        {"name": "edge5", "base_url": "http://127.0.0.1:10", "vars": undefined},
        {"name": "edge6", "base_url": "http://127.0.0.1:11", "vars": staged},
    ]
    # As the role takes them; always loading an adapter anew is no drift.
    fleet.declared[0] |= {"trained_for": "base", "state": "reloaded", "path": "{{ root }}"}
    fleet.variables["root"] = str(examples / "first")
    fleet.declared.append({"name": "gone", "src": "gone.tar.gz", "state": "absent"})
    (fleet.directory / "report.yml").write_text(json.dumps(REPORT))

    run = fleet.audit("report.yml", drift_report_source="inventory", drift_report_fail_on=["undeclared"])
    assert run.returncode == 2, run.stdout + run.stderr
    sites = {site["name"]: site for site in fleet.report()["sites"]}
    assert {name: (site["verdict"], (site["error"] or {}).get("code")) for name, site in sites.items()} == {
        "edge1": ("undeclared", None),
        "edge2": ("drifted", None),
        "edge3": ("unreachable", "unreachable"),
        "edge4": ("in_sync", None),
        "edge5": ("failed", "invalid_request"),
        "edge6": ("failed", "artifact_not_found"),
        "edge7": ("failed", "invalid_request"),
        "edge8": ("drifted", None),
        "edge9": ("failed", "invalid_request"),
        "edge10": ("failed", "prune_limit"),
        "edge11": ("failed", "invalid_request"),
    }
    assert [site["name"] for site in fleet.report()["sites"]][-2:] == ["edge1", "edge4"], "the worst come first"
    assert {cell["name"] for cell in sites["edge2"]["adapters"]} == {"sql", "gone", *HOSTILE}
    assert "lora_adapters cannot be resolved" in sites["edge5"]["reason"]
    assert "audit the site live, or declare the digest" in sites["edge6"]["reason"]
    assert "vllm_base_url cannot be resolved" in sites["edge7"]["reason"]
    assert "version of lora_requires is 'new'" in sites["edge9"]["reason"]
    assert "lora_prune cannot be resolved" in sites["edge11"]["reason"]
    first, second = sites["edge8"]["server"]
    assert "requires base model 'huge'" in first and "the server is vLLM '0.32.0'" in second
    # They are named where people look.
    for shown in (html.unescape(fleet.page()), run.stdout):
        assert first.rstrip(".") in shown and second.rstrip(".") in shown
    assert f"is served from {examples / 'first'}, and is not declared" in run.stdout
    assert f"</b> is not declared: <code>{examples / 'first'}</code> → no change" in fleet.page()
    assert "edge1 (vLLM 0.32.0): undeclared: extra is served from" in run.stdout
    assert re.search(r'"drift_report_undeclared": \[\s*"edge1"\s*\]', run.stdout)


def test_waived_differences_are_shown_and_do_not_count(fleet: Fleet, examples: Path) -> None:
    fleet.in_sync.load("extra", examples / "first")
    fleet.plain = {"edge1": {"lora_prune": False}}
    fleet.more = [
        {
            "name": "edge4",
            "base_url": fleet.in_sync.url.replace("127.0.0.1", "localhost"),
            "vars": {"lora_requires": {"version": ">=0.33"}},
        }
    ]
    (fleet.directory / "report.yml").write_text(json.dumps(REPORT))
    waivers = [
        {"site": "edge2", "adapter": "sql", "drift": "path", "until": "2999-12-31", "reason": "a trial", "by": "Ada"},
        {"site": "edge*", "drift": "un*", "until": "2999-12-31T10:00:00+02:00", "reason": "<b>guests</b>"},
        {"site": "edge4", "drift": "server", "until": "2020-01-01", "reason": "it was to be upgraded"},
    ]

    told: list[str] = []

    def audited(waivers: object, rc: int) -> dict[str, dict]:
        fail_on = ["drifted", "undeclared"]
        run = fleet.audit(
            "report.yml", drift_report_source="inventory", drift_report_fail_on=fail_on, drift_report_waivers=waivers
        )
        assert run.returncode == rc, run.stdout + run.stderr
        told.append(" ".join(run.stdout.split()))
        return {site["name"]: site for site in fleet.report()["sites"]}

    sites = audited(waivers, 2)
    assert {name: (site["verdict"], site["counts_as"], site["waived"]) for name, site in sites.items()} == {
        "edge1": ("undeclared", "in_sync", True),
        "edge2": ("drifted", "in_sync", True),
        "edge3": ("unreachable", "unreachable", False),
        "edge4": ("drifted", "drifted", False),
    }
    assert (fleet.report()["summary"]["drifted"], fleet.report()["summary"]["waived"]) == (2, 2)
    (sql,) = (cell for cell in sites["edge2"]["adapters"] if cell["name"] == "sql")
    assert sql["waiver"] == {"until": "2999-12-31", "reason": "a trial", "by": "Ada"}
    assert "4 sites (2 with waived differences): 0 in sync, 1 undeclared, 2 drifted, 1 unreachable" in told[0]
    assert "edge2 (vLLM 0.32.0): drifted (counts as in sync): sql is served from" in told[0]
    for shown in (told[0], fleet.page()):
        assert "(waived by Ada until 2999-12-31: a trial)" in shown
    assert "&lt;b&gt;guests" in fleet.page()

    # All are waived, in text as a survey gives it.
    waivers[2]["until"] = "2999-01-01"
    sites = audited(json.dumps(waivers), 0)
    assert sites["edge4"]["waiver"]["reason"] == "it was to be upgraded"
    assert fleet.report()["summary"]["waived"] == 3

    (fleet.directory / "report" / "drift.json").unlink()
    run = fleet.audit("report.yml", drift_report_waivers=[{"site": "edge*", "until": "soon", "reason": "x"}])
    assert run.returncode == 2
    assert "option until of item 1 of drift_report_waivers is 'soon'" in run.stdout
    assert not (fleet.directory / "report" / "drift.json").exists()
