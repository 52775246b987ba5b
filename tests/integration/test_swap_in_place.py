# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another artifact under a served name without a gap: rehearsed first, since a refusal can cost more than the adapter."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.integration.lifecycle.one_adapter import REHEARSAL
from tests.stand_in import Fault, Request
from tests.support.asking import ask, complete, eventually
from tests.support.playbook import TaskResult
from tests.support.site import Site, run_on_all

from .conftest import NewSite
from .swapping import LOAD, UNLOAD, posts, serving_old

# Example, and what the server says of it.
REFUSED = {"rank64": "LoRA rank 64 is greater", "oversized": "The size of tensor a (64) must match"}
TASK = """
- name: move
  sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/new", reload_strategy: in_place}
  ignore_errors: true
"""


def move_on_all(sites: Mapping[str, Site], tmp_path: Path) -> dict[str, TaskResult]:
    for site in sites.values():
        site.watched.clear_log()
    return run_on_all(sites, TASK, tmp_path / "run").of("move")


def test_rehearsed_without_a_gap_and_with_a_warning_by_release(new_site: NewSite, tmp_path: Path) -> None:
    sites = {profile: serving_old(new_site(profile=profile)) for profile in ("0.15", "0.32", "0.33")}
    moved = move_on_all(sites, tmp_path)
    for profile, site in sites.items():
        assert posts(site) == [f"load {REHEARSAL}", "load sql", f"unload {REHEARSAL}"], profile
        assert [write.body.get("load_inplace") for write in site.watched.writes] == [None, True, None]
        assert site.server.served() == {"sql": str(site.artifacts / "new")}
        assert moved[profile].changed
        (warning,) = [text for text in moved[profile].warnings if "in_place" in text]
        assert "mixed weights" in warning
        # The flag sticks up to 0.32.
        assert ("dies when the directory is removed" in warning) is (profile != "0.33")


def test_refused_where_the_server_would_ignore_it(new_site: NewSite) -> None:
    site = serving_old(new_site(profile="0.14"))
    run = site.run(TASK)
    assert posts(site) == []
    assert "option reload_strategy is in_place, which vLLM '0.14.1' ignores" in run["move"].msg


def test_refused_rehearsal_touches_nothing(new_site: NewSite, tmp_path: Path) -> None:
    """In place, a tensor larger than the layer would leave garbage up to 0.32, and kill the server from 0.33 on."""
    cases = {f"{example} {release}": (example, release) for example in REFUSED for release in ("0.17", "0.32", "0.33")}
    sites = {case: serving_old(new_site(profile=release)) for case, (_example, release) in cases.items()}
    said_before = {case: site.server.complete("sql") for case, site in sites.items()}
    for case, (example, _release) in cases.items():
        sites[case].artifact("new", example)
    moved = move_on_all(sites, tmp_path)
    for case, site in sites.items():
        assert (moved[case].status, moved[case].changed, moved[case].code) == ("failed", False, "artifact_rejected")
        assert "Could not rehearse adapter 'sql'" in moved[case].msg
        assert REFUSED[cases[case][0]] in moved[case].msg
        assert posts(site) == [f"load {REHEARSAL}"]
        assert site.server.served() == {"sql": str(site.artifacts / "old")}, case
        assert site.server.complete("sql") == said_before[case], case
        assert site.server.healthy(), case


def spoil_after_the_rehearsal(site: Site, then: Callable[[], object] = lambda: None) -> None:
    """Put an oversized artifact where the new one was, and do something when the load in place has failed of it."""
    spoilt = []

    def on_request(request: Request) -> None:
        if request.path == LOAD and request.body["lora_name"] == "sql" and not spoilt:
            spoilt.append(site.artifact("new", "oversized"))
        elif request.path == UNLOAD and request.body["lora_name"] == REHEARSAL and spoilt:
            then()

    site.watched.on_request = on_request


@pytest.mark.parametrize("profile", ["0.15", "0.32", "0.33"])
def test_load_in_place_that_fails_all_the_same_is_taken_back(new_site: NewSite, profile: str) -> None:
    site = serving_old(new_site(profile=profile))
    said_before = site.server.complete("sql")
    spoil_after_the_rehearsal(site)
    run = site.run(TASK)
    assert (run["move"].code, run["move"].changed) == ("artifact_rejected", False)
    assert REFUSED["oversized"] in run["move"].msg
    assert site.server.served() == {"sql": str(site.artifacts / "old")}
    assert site.server.complete("sql") == said_before
    assert site.server.healthy()


def test_server_that_dies_of_a_load_in_place_is_told_with_the_reason(new_site: NewSite) -> None:
    """Somebody asks for the adapter before it could be put back."""
    site = serving_old(new_site(profile="0.33", death_delay=0))

    def ask_for_it() -> None:
        with suppress(ConnectionError, HTTPException):
            complete(site.server.url, "sql")
        assert eventually(lambda: is_down(site.server.url))

    spoil_after_the_rehearsal(site, ask_for_it)
    moved = site.run(TASK, rc=4)["move"]
    assert (moved.status, moved.code) == ("unreachable", "unreachable")
    assert "before that: Could not load adapter 'sql'" in moved.msg
    assert REFUSED["oversized"] in moved.msg and "(artifact_rejected)" in moved.msg
    assert REFUSED["oversized"] in moved["error"]["detail"]


@pytest.mark.parametrize("profile", ["0.17", "0.32", "0.33"])
def test_files_that_cannot_be_read_anew_are_no_success(new_site: NewSite, tmp_path: Path, profile: str) -> None:
    """The list shows the path before as well as after, so it proves nothing."""
    codes = {"rank64": "artifact_rejected", "oversized": "artifact_rejected", "gone": "artifact_not_found"}
    codes |= {"lost": "unreachable", "spoilt": "artifact_rejected"}
    sites = {case: serving_old(new_site(profile=profile)) for case in codes}
    said_before = sites["oversized"].server.complete("sql")
    for case, site in sites.items():
        if case == "gone":
            shutil.rmtree(site.artifacts / "old")
        elif case == "lost":
            site.watched.faults.add(Fault("POST", LOAD, "reset", after=1))
        elif case == "spoilt":
            site.watched.on_request = partial(spoil, site)
        else:
            site.artifact("old", case)
    task = """
    - name: reload
      sovereign.vllm.vllm_lora_adapter:
        {name: sql, path: "{{ artifacts }}/old", state: reloaded, reload_strategy: in_place}
    """
    reloaded = run_on_all(sites, task, tmp_path / "run", rc=None).of("reload")
    outcomes = {case: (result.changed, result.code) for case, result in reloaded.items()}
    assert outcomes == {case: (False, code) for case, code in codes.items()}
    # Refused before the served one was touched, but for files that change between the rehearsal and the load.
    assert sites["oversized"].server.complete("sql") == said_before
    assert "its weights may be damaged" in reloaded["spoilt"].msg


def is_down(url: str) -> bool:
    try:
        ask(url, "GET", "/health")
    except (ConnectionError, HTTPException):
        return True
    return False


def spoil(site: Site, request: Request) -> None:
    if request.path == LOAD and request.body["lora_name"] == "sql":
        site.artifact("old", "oversized")
