# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When endpoints are asked again, and what a cache that cannot be read does: nothing."""

from __future__ import annotations

import json

import pytest

from tests.stand_in import StandIn
from tests.support.inventory import Inventory

from .cache_file import CACHE, CacheFile, list_after_a_day
from .conftest import NewInventory, NewServer


@pytest.fixture
def server(new_server: NewServer) -> StandIn:
    return new_server()


@pytest.fixture
def inventory(new_inventory: NewInventory, server: StandIn) -> Inventory:
    return new_inventory(endpoints=[{"name": "edge", "base_url": server.url}], **CACHE)


def test_young_state_is_not_asked_for_again(inventory: Inventory, server: StandIn) -> None:
    before = inventory.list()
    server.clear_log()
    assert inventory.list().hosts == before.hosts
    assert server.log == []


def test_new_endpoint_alone_is_asked(inventory: Inventory, server: StandIn, new_server: NewServer) -> None:
    inventory.list()
    server.clear_log()
    new = new_server()
    endpoints = [{"name": "edge", "base_url": server.url}, {"name": "new", "base_url": new.url}]
    inventory.write({"endpoints": endpoints, **CACHE})
    assert inventory.list().members("vllm_reachable") == ["edge", "new"]
    assert (server.log == [], new.log == []) == (True, False)


@pytest.mark.parametrize(("timeout", "asked_again"), [(0, False), (3600, False), (1, True)])
def test_cache_timeout(inventory: Inventory, server: StandIn, timeout: int, asked_again: bool) -> None:
    inventory.write({"endpoints": [{"name": "edge", "base_url": server.url}], "cache_timeout": timeout, **CACHE})
    inventory.list()
    CacheFile(inventory).make_older(60)
    server.clear_log()
    inventory.list()
    assert bool(server.log) is asked_again


def test_without_cache_every_run_asks_and_forgets(new_inventory: NewInventory, server: StandIn) -> None:
    inventory = new_inventory(endpoints=[{"name": "edge", "base_url": server.url}])
    inventory.list()
    server.kill()
    variables = inventory.list()["edge"]
    assert (variables["vllm_reachable"], variables["vllm_base_models"], variables["vllm_stale"]) == (False, [], False)


CORRUPT = {
    "no JSON": "\x00{{",
    "cut": '{"edge": {"asked_at": 1',
    "empty": "",
    "a list": "[]",
    "a number": "7",
    "another plugin's": '{"edge": {"ansible_host": "192.0.2.1"}}',
    "mistyped": '{"edge": {"asked_at": "now", "variables": {"vllm_base_models": 7}}}',
    "deep": "[" * 100_000,
}


def test_corrupt_cache_is_ignored(inventory: Inventory, server: StandIn) -> None:
    inventory.list()
    mistyped_list = json.loads(CacheFile(inventory).read())
    mistyped_list["edge"]["variables"]["vllm_served_adapters"] = [{"name": "sql"}]
    for how, text in {**CORRUPT, "mistyped list": json.dumps(mistyped_list)}.items():
        CacheFile(inventory).write(text)
        server.clear_log()
        listing = inventory.list()
        assert server.log, how
        assert listing["edge"]["vllm_reachable"] is True, how
        assert f"{inventory.file.name} is ignored" in listing.messages, how
        kept = json.loads(CacheFile(inventory).read())
        assert kept["edge"]["variables"]["vllm_base_models"] == listing["edge"]["vllm_base_models"], how
    server.kill()
    listing = list_after_a_day(inventory)
    assert listing["edge"]["vllm_stale"] is True
    assert "is ignored" not in listing.messages
