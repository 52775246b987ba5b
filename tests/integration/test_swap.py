# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a served adapter when putting another artifact under its name does not go as planned."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integration.lifecycle.one_adapter import REHEARSAL
from tests.stand_in import Fault, Request
from tests.support.playbook import kill_playbook, start_playbook
from tests.support.site import Site, run_on_all

from .conftest import SUPPORTED, NewSite
from .swapping import LOAD, UNLOAD, posts, serving_old

MOVE = """
- name: move
  sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/new"}
"""


def lose_new_files_before_the_swap(site: Site) -> None:
    def on_request(request: Request) -> None:
        if request.path == LOAD and request.body["lora_name"] == "sql":
            shutil.rmtree(site.artifacts / "new", ignore_errors=True)

    site.watched.on_request = on_request


def test_failed_swap_is_rolled_back_on_every_generation(new_site: NewSite, tmp_path: Path) -> None:
    sites = {profile: serving_old(new_site(profile=profile)) for profile in SUPPORTED}
    said_before = {profile: site.server.complete("sql") for profile, site in sites.items()}
    for site in sites.values():
        lose_new_files_before_the_swap(site)
    moved = run_on_all(sites, MOVE, tmp_path / "run", rc=2).of("move")

    outcomes = {profile: (result.changed, result.code) for profile, result in moved.items()}
    assert outcomes == dict.fromkeys(SUPPORTED, (False, "artifact_not_found"))
    for profile, site in sites.items():
        old = str(site.artifacts / "old")
        assert f"it is still served from '{old}'" in moved[profile].msg
        assert site.server.served() == {"sql": old}
        assert site.server.complete("sql") == said_before[profile]
        assert site.server.healthy()


def test_killed_in_the_middle_of_a_swap(new_site: NewSite, tmp_path: Path) -> None:
    site = serving_old(new_site())
    playbook = start_playbook(MOVE, {"site": site.host}, tmp_path / "killed", defaults={"base_url": site.watched.url})

    def kill_at_the_swap(request: Request) -> None:
        if request.path == UNLOAD and request.body["lora_name"] == "sql":
            kill_playbook(playbook)

    site.watched.on_request = kill_at_the_swap
    playbook.communicate()
    assert set(site.server.served()) == {REHEARSAL}

    run = site.run("- name: info\n  sovereign.vllm.vllm_base_model_info:\n" + MOVE)
    assert run["info"]["adapters"] == []
    assert (run["move"].changed, run["move"]["drift"]) == (True, "missing")
    assert site.server.served() == {"sql": str(site.artifacts / "new")}


@pytest.mark.parametrize("profile", ["0.9", "rust"])
def test_two_runs_at_once_lose_no_name(new_site: NewSite, tmp_path: Path, profile: str) -> None:
    """One of them may fail; the next run finds whatever is left to do. Before 0.10 a name can be listed twice."""
    site = serving_old(new_site(profile=profile, load_delay=0.2))
    tasks = """
        - name: converge
          sovereign.vllm.vllm_lora_adapters:
            adapters: [{name: sql, path: "{{ artifacts }}/new"}, {name: tickets, path: "{{ artifacts }}/new"}]
    """
    run_on_all({"one": site, "two": site}, tasks, tmp_path / "run", rc=None)
    assert set(site.server.served()) == {"sql", "tickets"}
    site.run(tasks)
    assert site.server.served() == dict.fromkeys(("sql", "tickets"), f"{site.artifacts}/new")


def test_lost_answer_to_a_load_is_settled_by_the_list(new_site: NewSite) -> None:
    site = new_site()
    path = site.artifact("sql")
    site.watched.faults.add(Fault("POST", LOAD, "reset", times=1, effect=True))
    run = site.run("- name: load\n  sovereign.vllm.vllm_lora_adapter: {name: sql, path: '{{ artifacts }}/sql'}")
    assert posts(site) == ["load sql"]
    assert run["load"].changed
    assert site.server.served() == {"sql": path}


def test_lost_answer_to_an_unload_is_settled_by_the_list(new_site: NewSite) -> None:
    site = serving_old(new_site())
    site.watched.faults.add(Fault("POST", UNLOAD, "reset", times=1, effect=True))
    run = site.run("- name: unload\n  sovereign.vllm.vllm_lora_adapter: {name: sql, state: absent}")
    assert posts(site) == ["unload sql"]
    assert run["unload"].changed
    assert site.server.served() == {}


def test_slow_load_is_waited_for(new_site: NewSite) -> None:
    """The client gives up on the answer, the server goes on with the load."""
    site = new_site(load_delay=1.5)
    path = site.artifact("sql")
    run = site.run(
        """
        - name: load
          sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/sql", load_timeout: 0.5, timeout: 10}
        """
    )
    assert posts(site) == ["load sql"]
    assert run["load"].changed
    assert site.server.served() == {"sql": path}


def test_yes_that_the_list_does_not_show_is_a_failure(new_site: NewSite) -> None:
    site = new_site()
    site.artifact("sql")
    site.watched.faults.add(Fault("POST", LOAD, "ignored"))
    task = "- name: load\n  sovereign.vllm.vllm_lora_adapter: {name: sql, path: '{{ artifacts }}/sql'}"
    run = site.run(task, rc=2)
    assert run["load"].code == "not_converged"
    assert "load balancer" in run["load"].msg


def test_server_that_ignores_loads_keeps_what_it_serves(new_site: NewSite) -> None:
    """The rehearsal has to be in the list before the served adapter is touched."""
    site = serving_old(new_site())
    site.watched.faults.add(Fault("POST", LOAD, "ignored"))
    run = site.run(MOVE, rc=2)
    assert (run["move"].code, run["move"].changed) == ("not_converged", False)
    assert posts(site) == [f"load {REHEARSAL}", f"unload {REHEARSAL}"]
    assert site.server.served() == {"sql": str(site.artifacts / "old")}


def test_what_gets_lost_in_a_swap_is_loaded_again_at_the_end(new_site: NewSite) -> None:
    """Both the load and the one that makes up for it fail; a server that is told to wait takes the third."""
    site = serving_old(new_site())
    site.watched.faults.add(Fault("POST", LOAD, "answer", after=1, times=2, status=403))
    run = site.run(MOVE, rc=2)
    assert (run["move"].code, run["move"].changed) == ("forbidden", False)
    assert run["move"].msg.endswith(f"; it is still served from '{site.artifacts}/old'.")
    assert site.server.served() == {"sql": str(site.artifacts / "old")}


def test_server_that_asks_for_patience_in_a_swap_gets_it(new_site: NewSite) -> None:
    """Longer than any other answer may take: the name is not served meanwhile."""
    site = serving_old(new_site())
    wait = {"Retry-After": "2"}
    site.watched.faults.add(Fault("POST", LOAD, "answer", after=1, times=1, status=429, headers=wait))
    assert site.run(MOVE.replace('new"', 'new", timeout: 1')).recap["site"]["changed"] == 1
    assert posts(site)[2:4] == ["load sql", "load sql"]
    assert site.server.served() == {"sql": str(site.artifacts / "new")}


def test_what_stays_lost_is_told_once(new_site: NewSite) -> None:
    site = serving_old(new_site())
    site.watched.faults.add(Fault("POST", LOAD, "answer", after=1, status=403))
    run = site.run(MOVE, rc=2)
    assert run["move"].msg.count("restoring it failed as well") == 1
    assert "it is not served any more" in run["move"].msg
    assert run["move"]["adapter"] == {} and run["move"].changed
    assert site.server.served() == {}


def test_removing_what_a_killed_run_left_is_a_change_whatever_fails(new_site: NewSite) -> None:
    site = serving_old(new_site())
    site.server.load(REHEARSAL, site.artifact("other"))
    shutil.rmtree(site.artifacts / "new")
    run = site.run(MOVE, rc=2)
    assert (run["move"].code, run["move"].changed) == ("artifact_not_found", True)
    assert site.server.served() == {"sql": str(site.artifacts / "old")}


def test_what_cannot_be_tidied_up_is_told_and_is_no_change(new_site: NewSite) -> None:
    site = new_site()
    site.server.load("sql", site.artifact("new"))
    site.server.load(REHEARSAL, site.artifact("other"))
    site.watched.faults.add(Fault("POST", UNLOAD, "answer", status=403))
    run = site.run(MOVE)
    assert not run["move"].changed
    assert any("could not be unloaded" in warning for warning in run["move"].warnings)


def test_refused_unload_of_an_evicted_adapter_is_tried_again(new_site: NewSite) -> None:
    """The Rust front-end answers 500 to the unload of an adapter that its engine has evicted, and keeps it listed."""
    site = serving_old(new_site(profile="rust", max_cpu_loras=1))
    site.server.load("other", site.artifact("other"))
    site.run("- name: unload\n  sovereign.vllm.vllm_lora_adapter: {name: sql, state: absent}")
    assert set(site.server.served()) == {"other"}


def test_cache_risk_is_told_where_the_prefix_cache_is_keyed_by_name(new_site: NewSite, tmp_path: Path) -> None:
    sites = {
        profile: serving_old(new_site(profile=profile)) for profile in ("0.10.1", "0.11.1", "0.30", "0.32", "rust")
    }
    moved = run_on_all(sites, MOVE, tmp_path / "run").of("move")
    assert {profile: result["cache_risk"] for profile, result in moved.items()} == {
        "0.10.1": False,
        "0.11.1": True,
        "0.30": True,
        "0.32": False,
        "rust": True,
    }
    assert all(any("prefix" in text for text in result.warnings) is result["cache_risk"] for result in moved.values())
