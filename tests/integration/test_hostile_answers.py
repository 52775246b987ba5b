# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of a server, or of whatever answers in its place, that are meant to harm: nothing comes of them."""

from __future__ import annotations

import gzip
import json
from email.utils import formatdate
from pathlib import Path

from tests.stand_in import Fault
from tests.support.playbook import run_playbook
from tests.support.site import run_on_all

from .conftest import NewSite

LIST = "/v1/models"
INFO = "- name: info\n  sovereign.vllm.vllm_base_model_info:\n"
BASE = {"id": "tiny", "object": "model", "root": "tiny", "parent": None, "max_model_len": 256}
SMALL = json.dumps({"object": "list", "data": [BASE]}).encode()
LARGE = SMALL + b" " * (40 << 20)  # a well-formed list all the same


def test_redirect_leads_nowhere(new_site: NewSite, tmp_path: Path) -> None:
    """Neither to another host nor to another port of this one, where the controller may reach what others may not."""
    sites = {f"answers-{status}": new_site(api_key="sesame") for status in (301, 302, 303, 307, 308)}
    other = new_site()
    target = f"{other.watched.url}{LIST}"
    other.watched.clear_log()
    for name, site in sites.items():
        site.artifact("sql")
        status = int(name[-3:])
        site.watched.faults.add(
            Fault("GET", LIST, "redirect", times=1, status=status, location=target),
            Fault("POST", "/v1/load_lora_adapter", "redirect", status=status, location=target),
        )
    tasks = """
        - name: info
          sovereign.vllm.vllm_base_model_info:
          ignore_errors: true
        - name: load
          sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/sql"}
          ignore_errors: true
    """
    hosts = {name: site.host for name, site in sites.items()}
    run = run_playbook(tasks, hosts, tmp_path / "run", **site.connection)
    for task in ("info", "load"):
        outcomes = {name: (result.status, result.code) for name, result in run.of(task).items()}
        assert outcomes == dict.fromkeys(sites, ("failed", "not_vllm"))
    assert [name for name, info in run.of("info").items() if f"it points to {target}" not in info.msg] == []
    assert other.watched.log == []


def test_body_is_read_up_to_a_limit(new_site: NewSite, tmp_path: Path) -> None:
    bodies = {
        "large": ("not_vllm", {}, LARGE),
        "decompression-bomb": ("not_vllm", {"content-encoding": "gzip"}, gzip.compress(LARGE)),
        "bomb-in-a-bomb": ("not_vllm", {"content-encoding": "gzip, gzip"}, gzip.compress(gzip.compress(LARGE))),
        "no-gzip-at-all": ("not_vllm", {"content-encoding": "gzip"}, SMALL),
        "packed": (None, {"content-encoding": "gzip"}, gzip.compress(SMALL)),
    }
    sites = {name: new_site() for name in bodies}
    for name, (_code, headers, body) in bodies.items():
        sites[name].watched.faults.add(Fault("GET", LIST, "answer", text=body, headers=headers))
    run = run_on_all(sites, INFO + "  ignore_errors: true\n", tmp_path / "run")
    assert {name: result.code for name, result in run.of("info").items()} == {
        name: code for name, (code, _headers, _body) in bodies.items()
    }


def test_retries_are_counted(new_site: NewSite) -> None:
    site = new_site()
    site.watched.faults.add(Fault("GET", LIST, "answer", status=503))
    site.run(INFO + "    retries: 2\n", rc=4)
    assert site.asked == [f"GET {LIST}"] * 3


def test_the_server_says_when_to_come_back(new_site: NewSite) -> None:
    """At once, where the pauses that are set would outlast the task."""
    site = new_site()
    for when in ("0", " 0 ", formatdate(0, usegmt=True)):
        site.watched.faults.add(Fault("GET", LIST, "answer", status=429, times=1, headers={"Retry-After": when}))
    site.run(INFO + "    {retries: 3, retry_delay: 1000, timeout: 3600}\n  timeout: 20\n")
    assert site.asked == [f"GET {LIST}"] * 4


def test_nobody_is_kept_waiting_for_ever(new_site: NewSite, tmp_path: Path) -> None:
    sites = {}
    for when in ("99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "86400"):
        sites[f"site{len(sites)}"] = site = new_site()
        site.watched.clear_log()
        site.watched.faults.add(Fault("GET", LIST, "answer", status=429, headers={"Retry-After": when}))
    run = run_on_all(sites, INFO, tmp_path / "run", rc=2)
    for name, site in sites.items():
        info = run.of("info")[name]
        assert (info.code, info["error"]["retryable"]) == ("throttled", True)
        assert [request.path for request in site.watched.log] == [LIST]


def test_retry_after_that_makes_no_sense_is_passed_over(new_site: NewSite) -> None:
    site = new_site()
    for when in ("soon", "\xb2"):  # the second is a digit for Python, but no number
        site.watched.faults.add(Fault("GET", LIST, "answer", status=429, times=1, headers={"Retry-After": when}))
    site.run(INFO)
    assert site.asked == [f"GET {LIST}"] * 3


def test_own_pauses_end_at_the_time_out(new_site: NewSite) -> None:
    """They double up to it, so that all retries are made."""
    site = new_site()
    site.watched.faults.add(Fault("GET", LIST, "answer", status=503))
    site.run(INFO + "    {retries: 4, retry_delay: 1000, timeout: 0.2}\n", rc=4)
    assert site.asked == [f"GET {LIST}"] * 5


def test_nothing_that_a_server_says_steers_the_terminal(new_site: NewSite) -> None:
    """The warnings are the only thing that Ansible prints as it is."""
    site = new_site(profile="0.30", version="0.30.0\x1b[2J")
    for name in ("sql", "sql@sovereign.vllm-rehearsal", "\x1b[2J@sovereign.vllm-rehearsal"):
        site.server.load(name, site.artifact("old"))
    site.artifact("new", "second")
    run = site.run(
        """
        - name: converge
          sovereign.vllm.vllm_lora_adapters: {adapters: [{name: sql, path: "{{ artifacts }}/new"}], prune: true}
        """,
        options=["--check"],
    )
    assert "rehearsal of adapter '\\x1b[2J'" in run.output
    assert "\x1b" not in run.output


def test_nothing_more_is_written_to_a_server_that_has_gone(new_site: NewSite) -> None:
    site = new_site()
    names = ["a", "b", "c"]
    adapters = [{"name": name, "path": site.artifact(name)} for name in names]
    site.watched.faults.add(
        Fault("POST", "/v1/load_lora_adapter", "answer", status=502),
        Fault("GET", LIST, "reset", after=1),
    )
    task = "- name: converge\n  sovereign.vllm.vllm_lora_adapters:\n"
    task += f"    adapters: {json.dumps(adapters)}\n    retries: 0\n    load_timeout: 0.5\n"
    run = site.run(task, rc=4)
    assert run["converge"].code == "unreachable"
    assert [request.body["lora_name"] for request in site.watched.writes] == ["a"]
