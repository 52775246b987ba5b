# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulebook sovereign.vllm.heal serves again what a server has lost, without a human."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stand_in import StandIn
from tests.support.asking import served
from tests.support.server import Server

from .rulebook import Rulebook
from .watching import declare

pytestmark = pytest.mark.timeout(300)
INTERVAL = 10  # seconds
PATIENCE = 120  # seconds; a last resort
KEY = "sk-edge-90be11c2a7d4"
KEY_OF_HOST = "sk-host-4f2a9c01"


@dataclass
class Sites:
    """Servers of whose endpoints each test takes one, since healing is throttled for each."""

    rulebook: Rulebook
    lost: StandIn
    restarted: StandIn
    keyed: StandIn
    hosted: StandIn
    pinned: StandIn

    def await_(self, condition, what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert self.rulebook.is_running, f"ansible-rulebook has ended:\n{self.rulebook.log}"
            assert time.monotonic() < end, f"waited in vain for {what}:\n{self.rulebook.log}"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory, artifacts: dict[str, Path]) -> Iterator[Sites]:
    directory = tmp_path_factory.mktemp("heal")
    adapters = [{"name": "sql", "path": str(artifacts["first"])}, {"name": "notes", "path": str(artifacts["second"])}]
    with (
        StandIn() as lost,
        StandIn() as restarted,
        StandIn(api_key=KEY) as keyed,
        StandIn(api_key=KEY_OF_HOST) as hosted,
        StandIn() as pinned,
    ):
        for server in (lost, restarted, keyed, hosted):
            server.load("sql", artifacts["first"])
            server.load("notes", artifacts["second"])
        file = declare(
            directory / "declaration.json",
            {"name": "lost", "base_url": lost.url},
            {"name": "restarted", "base_url": restarted.url},
            {"name": "keyed", "base_url": keyed.url, "api_key_env": "EDGE_KEY", "prune": True},
            {"name": "hosted", "base_url": hosted.url, "api_key_env": "HOST_KEY"},
            {"name": "pinned", "base_url": pinned.url, "requires": {"version": "<0.30"}},
            adapters=adapters,
        )
        inventory = directory / "inventory"
        (inventory / "host_vars").mkdir(parents=True)
        (inventory / "sites.json").write_text(json.dumps({"vllm": {"hosts": {"hosted": {}}}}))
        # Other than in the file, which was written before.
        later = {"lora_adapters": [*adapters, {"name": "later", "path": str(artifacts["third"])}]}
        reached = {"vllm_base_url": hosted.url, "vllm_api_key": KEY_OF_HOST, "ansible_connection": "local"}
        (inventory / "host_vars" / "hosted.json").write_text(json.dumps(reached | later))
        variables = {"VLLM_DECLARATION_FILE": str(file), "VLLM_DRIFT_INTERVAL": str(INTERVAL)}
        secrets = {"EDGE_KEY": KEY, "HOST_KEY": KEY_OF_HOST, "VLLM_API_KEY": KEY}
        with Rulebook("sovereign.vllm.heal", directory, variables, secrets, inventory) as rulebook:
            sites = Sites(rulebook, lost, restarted, keyed, hosted, pinned)
            sites.await_(lambda: lost.log and restarted.log and keyed.log and hosted.log, "all to be asked")
            yield sites


def test_adapter_that_somebody_unloads_is_served_again_within_two_intervals(sites, artifacts):
    server = sites.lost
    asked, loaded = threading.Event(), threading.Event()

    def on_request(request) -> None:
        # The worst moment: an observation has just shown that all is well.
        if request.path == "/v1/load_lora_adapter":
            loaded.set()
        asked.set()

    server.on_request = on_request
    sites.await_(asked.is_set, "an observation")
    time.sleep(0.2)
    began = time.monotonic()
    server.unload("sql")
    sites.await_(loaded.is_set, "the adapter to be loaded")
    sites.await_(lambda: served(server.url).get("sql") == str(artifacts["first"]), "the adapter to be served")
    took = time.monotonic() - began
    print(f"unloaded behind our back, served again after {took:.1f} s; the interval is {INTERVAL} s")
    assert took < 2 * INTERVAL
    assert [request.body["lora_name"] for request in server.writes] == ["sql"]
    sites.await_(lambda: "recovered: Endpoint 'lost'" in sites.rulebook.log, "the recovery to be told")


def test_server_that_forgot_everything_in_a_restart_is_restored(sites, artifacts):
    server = sites.restarted
    server.kill()
    sites.await_(lambda: "unreachable: Endpoint 'restarted'" in sites.rulebook.log, "the outage to be told")
    assert server.writes == []
    server.restart()
    sites.await_(lambda: {"sql", "notes"} <= set(served(server.url)), "both adapters to be served")
    log = sites.rulebook.log
    assert log.index("reachable: Endpoint 'restarted' answers again") < log.index("drifted: Endpoint 'restarted'")
    assert {request.body["lora_name"] for request in server.writes} == {"sql", "notes"}


def test_hostile_name_is_pruned_and_not_run_and_the_key_appears_nowhere(sites, tmp_path, artifacts):
    server, trace = sites.keyed, tmp_path / "trace"
    server.load("{{ lookup('ansible.builtin.pipe', 'touch " + str(trace) + "') }}", artifacts["third"])
    sites.await_(lambda: "recovered: Endpoint 'keyed'" in sites.rulebook.log, "the stray adapter to be pruned")
    assert [(request.path, request.status) for request in server.writes] == [("/v1/unload_lora_adapter", 200)]
    assert all(request.authorized for request in server.log)
    assert not trace.exists()
    assert "drifted" in sites.rulebook.log
    assert KEY not in sites.rulebook.log


def test_host_of_the_inventory_is_healed_by_its_own_variables(sites):
    server = sites.hosted
    server.unload("sql")
    declared = {"sql", "notes", "later"}
    sites.await_(lambda: set(Server(server.url, KEY_OF_HOST).served()) == declared, "the host to be healed")
    assert all(request.authorized for request in server.log)
    assert KEY_OF_HOST not in sites.rulebook.log


def test_another_server_than_required_is_told_and_not_healed(sites):
    """All others have been healed by now."""
    sites.await_(lambda: "Endpoint 'pinned' is another server than" in sites.rulebook.log, "the requirement to be told")
    assert sites.pinned.writes == []
