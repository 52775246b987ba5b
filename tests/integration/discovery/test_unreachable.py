# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints that give no usable answer stay, with what was seen of them last: offline is not deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.inventory import Inventory, Listing
from tests.support.playbook import IN_WORKER, run_playbook
from tests.vllm_stand_in import Fault, StandIn, write_adapter

from .cache_file import CACHE, list_after_a_day
from .conftest import CLOSED, NewInventory, NewServer

SEEN = ("vllm_base_models", "vllm_lora_adapters", "vllm_version", "vllm_observed_at")


def seen(listing: Listing) -> dict[str, Any]:
    return {name: listing["edge"][name] for name in SEEN}


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
        "vllm_lora_adapters": [],
        "vllm_version": None,
        "vllm_observed_at": None,
        "vllm_stale": False,
    }
    assert listing.members("vllm") == listing.members("vllm_unreachable") == ["edge"]


UNUSABLE = {
    "timeout": Fault("GET", "/v1/models", "silence"),
    "unauthorized": Fault("GET", "/v1/models", "answer", status=401, json={"error": "Unauthorized"}),
    "not_vllm": Fault("GET", "/v1/models", "html"),
    "server_error": Fault("GET", "/v1/models", "answer", status=500, text=""),
    "unreachable": Fault("GET", "/v1/models", "reset"),
}


@pytest.mark.parametrize("code", [*UNUSABLE, "empty list"])
def test_last_state_is_kept(inventory: Inventory, server: StandIn, code: str) -> None:
    before = inventory.list()
    assert [adapter["name"] for adapter in before["edge"]["vllm_lora_adapters"]] == ["sql"]
    server.faults.add(UNUSABLE.get(code) or Fault("GET", "/v1/models", "empty_list"))
    for _twice in range(2):
        listing = list_after_a_day(inventory)
        assert seen(listing) == seen(before)
        assert (listing["edge"]["vllm_reachable"], listing["edge"]["vllm_stale"]) == (False, True)
        assert listing["edge"]["vllm_error"]["code"] == ("not_vllm" if code == "empty list" else code)
        assert listing.members("vllm_unreachable") == ["edge"]
    server.faults.clear()
    server.unload("sql")
    after = list_after_a_day(inventory)["edge"]
    assert (after["vllm_reachable"], after["vllm_stale"], after["vllm_error"]) == (True, False, None)
    assert after["vllm_lora_adapters"] == []


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
