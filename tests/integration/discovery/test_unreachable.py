# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints that give no usable answer stay, with what was seen of them last: offline is not deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.stand_in import Fault, StandIn, write_adapter
from tests.support.inventory import Inventory, Listing
from tests.support.playbook import IN_WORKER, run_playbook

from .cache_file import CACHE, list_after_a_day
from .conftest import CLOSED, NewInventory, NewServer

SEEN = ("vllm_base_models", "vllm_served_adapters", "vllm_server_version", "vllm_observed_at")


def seen(listing: Listing, host: str = "edge") -> dict[str, Any]:
    return {name: listing[host][name] for name in SEEN}


@pytest.fixture
def server(new_server: NewServer, tmp_path: Path) -> StandIn:
    server = new_server()
    server.load("sql", write_adapter(tmp_path / "sql"))
    return server


@pytest.fixture
def inventory(new_inventory: NewInventory, server: StandIn) -> Inventory:
    """It remembers, and asks each time."""
    return new_inventory(endpoints=[{"name": "edge", "base_url": server.url}], timeout=3, **CACHE)


def test_never_seen(new_inventory: NewInventory) -> None:
    listing = new_inventory(endpoints=[{"name": "edge", "base_url": CLOSED}]).list()
    variables = listing["edge"]
    error = variables.pop("vllm_error")
    assert error["code"] == "unreachable"
    assert f"{CLOSED}/v1/models" in error["msg"]
    assert variables == {
        "vllm_base_url": CLOSED,
        "vllm_reachable": False,
        "vllm_base_models": [],
        "vllm_served_adapters": [],
        "vllm_server_version": None,
        "vllm_observed_at": None,
        "vllm_stale": False,
        "vllm_ask_from": "controller",
    }
    assert listing.members("vllm") == listing.members("vllm_unreachable") == ["edge"]


#: By the code of the error, and an answer that is none of a server which has a model.
UNUSABLE = {
    "timeout": Fault("GET", "/v1/models", "silence"),
    "unauthorized": Fault("GET", "/v1/models", "answer", status=401, json={"error": "Unauthorized"}),
    "not_vllm": Fault("GET", "/v1/models", "html"),
    "server_error": Fault("GET", "/v1/models", "answer", status=500, text=""),
    "unreachable": Fault("GET", "/v1/models", "reset"),
    "empty": Fault("GET", "/v1/models", "empty_list"),
    # The list is whole: only the Rust front-end's is followed up.
    "dead": Fault("GET", "/health", "answer", status=503),
}
CODES = {"empty": "not_vllm", "dead": "server_error"}


def test_last_state_is_kept(new_server: NewServer, new_inventory: NewInventory, tmp_path: Path) -> None:
    servers = {name: new_server(profile="rust-0.33" if name == "dead" else "0.32") for name in UNUSABLE}
    endpoints = [{"name": name, "base_url": server.url} for name, server in servers.items()]
    for server in servers.values():
        server.load("sql", write_adapter(tmp_path / "sql"))
    inventory = new_inventory(endpoints=endpoints, timeout=3, **CACHE)
    before = inventory.list()
    for name, server in servers.items():
        assert [adapter["name"] for adapter in before[name]["vllm_served_adapters"]] == ["sql"], name
        server.faults.add(UNUSABLE[name])
    for _twice in range(2):
        listing = list_after_a_day(inventory)
        for name in servers:
            assert seen(listing, name) == seen(before, name), name
            assert (listing[name]["vllm_reachable"], listing[name]["vllm_stale"]) == (False, True), name
            assert listing[name]["vllm_error"]["code"] == CODES.get(name, name)
        assert listing.members("vllm_unreachable") == list(servers)
    for server in servers.values():
        server.faults.clear()
        server.unload("sql")
    after = list_after_a_day(inventory)
    for name in servers:
        told = [after[name][variable] for variable in ("vllm_reachable", "vllm_stale", "vllm_error")]
        assert told == [True, False, None], name
        assert after[name]["vllm_served_adapters"] == [], name


@pytest.mark.parametrize(
    ("options", "first"),
    [(["--flush-cache"], ""), ([], "- meta: refresh_inventory")],
    ids=["--flush-cache", "refresh_inventory"],
)
def test_last_state_survives_a_refresh(inventory: Inventory, server: StandIn, options: list[str], first: str) -> None:
    before = inventory.list()
    server.kill()
    tasks = f"{first}\n- name: seen\n  ansible.builtin.debug: {{msg: '{{{{ hostvars.edge }}}}'}}\n"
    run = run_playbook(
        tasks, {"localhost": IN_WORKER}, inventory.directory, options=["-i", str(inventory.file), *options]
    )
    variables = run.of("seen")["localhost"].msg
    assert {name: variables[name] for name in SEEN} == seen(before)
    assert (variables["vllm_reachable"], variables["vllm_stale"]) == (False, True)


def test_last_state_is_that_of_the_same_server(inventory: Inventory) -> None:
    inventory.list()
    inventory.write({"endpoints": [{"name": "edge", "base_url": CLOSED}], **CACHE})
    variables = inventory.list()["edge"]
    assert (variables["vllm_base_models"], variables["vllm_stale"]) == ([], False)


def test_last_state_survives_a_key_that_is_missing(inventory: Inventory, server: StandIn) -> None:
    before = inventory.list()
    endpoint = {"name": "edge", "base_url": server.url, "api_key_env": "EDGE_KEY"}
    inventory.write({"endpoints": [endpoint], **CACHE})
    listing = inventory.list()
    assert seen(listing) == seen(before)
    assert listing["edge"]["vllm_error"]["code"] == "invalid_request"
    server.clear_log()
    assert inventory.list(environment={"EDGE_KEY": "sk"})["edge"]["vllm_reachable"] is True
    assert server.log
