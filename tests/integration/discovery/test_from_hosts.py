# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option `from_hosts`: hosts of earlier inventory sources get the variables of the servers on them."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader

from tests.stand_in import StandIn

from .cache_file import CACHE
from .conftest import CLOSED, NewInventory, NewServer


@pytest.fixture
def server(new_server: NewServer) -> StandIn:
    return new_server()


@pytest.fixture
def hosts(tmp_path: Path, server: StandIn) -> Path:
    """An inventory of three groups, with variables of hosts and groups in it and beside it."""
    directory = tmp_path / "earlier"
    (directory / "group_vars").mkdir(parents=True)
    (directory / "group_vars" / "all.yml").write_text("scheme: \"{{ 'http' }}\"\n")
    (directory / "group_vars" / "gpu.yml").write_text(f"vllm_port: {server.port}\n")
    file = directory / "10-hosts.ini"
    file.write_text(
        textwrap.dedent(
            """            lonely ansible_host=127.0.0.1
            [gpu]
            first ansible_host=127.0.0.1 color=red
            second ansible_host=127.0.0.1 vllm_port=9
            nowhere
            [retired]
            old ansible_host=127.0.0.1
            [inference:children]
            gpu
            retired
            """
        )
    )
    return file


def from_hosts(pattern: str) -> dict[str, Any]:
    return {"from_hosts": {"pattern": pattern, "base_url": "{{ scheme }}://{{ ansible_host }}:{{ vllm_port }}"}}


def test_hosts_get_variables_and_keep_their_own(new_inventory: NewInventory, hosts: Path, server: StandIn) -> None:
    """And the one whose template fails is reported."""
    listing = new_inventory(hosts, **from_hosts("gpu")).list()
    first = listing["first"]
    assert (first["color"], first["vllm_base_url"], first["vllm_reachable"]) == ("red", server.url, True)
    assert listing["second"]["vllm_base_url"] == "http://127.0.0.1:9"
    assert listing["second"]["vllm_error"]["code"] == "unreachable"
    assert listing.members("vllm") == ["first", "second", "nowhere"]
    assert "vllm_reachable" not in listing.hosts["old"]
    nowhere = listing["nowhere"]
    assert (nowhere["vllm_reachable"], nowhere["vllm_base_url"]) == (False, None)
    assert nowhere["vllm_error"]["code"] == "invalid_request"
    assert "'ansible_host' is undefined" in nowhere["vllm_error"]["msg"]
    assert "'ansible_host' is undefined" in listing.messages
    assert "(hosts: 'nowhere')" in listing.messages
    assert listing.members("vllm_reachable") == ["first"]


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{ ansible_host }}", "is not http or https"),
        ("http://{{ ansible_host | no_such_filter }}", "no_such_filter"),
        ("http://{{ ansible_host", "makes no URL for this host"),
        ("http://{{ 1 / 0 }}", "by zero"),
    ],
)
def test_no_template_stops_the_rest(
    new_inventory: NewInventory, hosts: Path, server: StandIn, template: str, problem: str
) -> None:
    endpoints = [{"name": "edge", "base_url": server.url}]
    options = {"from_hosts": {"pattern": "first", "base_url": template}, "endpoints": endpoints}
    listing = new_inventory(hosts, **options).list()
    assert listing["edge"]["vllm_reachable"] is True
    assert listing["first"]["vllm_error"]["code"] == "invalid_request"
    assert problem in listing["first"]["vllm_error"]["msg"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("inference:!retired", ["first", "second", "nowhere"]),
        ("inference:&retired", ["old"]),
        ("fir*", ["first"]),
        ("all:!inference", ["lonely"]),
        ("ungrouped", ["lonely"]),
        ("nothing", []),
    ],
)
def test_patterns(new_inventory: NewInventory, hosts: Path, pattern: str, expected: list[str]) -> None:
    options = {"from_hosts": {"pattern": pattern, "base_url": "http://127.0.0.1:9"}}
    inventory = new_inventory(hosts, **options)
    manager = InventoryManager(DataLoader(), sources=[str(hosts), str(inventory.file)])
    assert [host.name for host in manager.groups["vllm"].hosts] == expected


def test_own_entry_comes_first(new_inventory: NewInventory, hosts: Path, server: StandIn) -> None:
    endpoints = [{"name": "second", "base_url": server.url}]
    listing = new_inventory(hosts, endpoints=endpoints, **from_hosts("gpu")).list()
    assert listing["second"]["vllm_reachable"] is True
    assert listing.members("vllm") == ["second", "first", "nowhere"]


def test_sources_of_hosts_are_the_same_as_ever(new_inventory: NewInventory, hosts: Path) -> None:
    """Variables in files beside every source still count, and no host changes its group."""
    inventory = new_inventory(hosts, endpoints=["http://127.0.0.1:9"], **from_hosts("gpu"))
    (inventory.directory / "group_vars").mkdir()
    (inventory.directory / "group_vars" / "vllm.yml").write_text("beside: true\n")
    listing = inventory.list()
    assert listing["127.0.0.1"]["beside"] is True
    assert listing["first"]["vllm_port"] != 9
    assert listing.members("ungrouped") == ["lonely"]
    assert listing.members("gpu") == ["first", "second", "nowhere"]


def test_new_hosts_still_know_their_source(new_inventory: NewInventory, hosts: Path) -> None:
    inventory = new_inventory(hosts, endpoints=["http://127.0.0.1:9"], **from_hosts("gpu"))
    manager = InventoryManager(DataLoader(), sources=[str(hosts), str(inventory.file)])
    assert manager.get_host("127.0.0.1").vars["inventory_file"] == str(inventory.file)
    assert manager.get_host("first").vars["inventory_file"] == str(hosts)


def test_last_state_of_a_host_without_a_url_is_kept(new_inventory: NewInventory, hosts: Path) -> None:
    inventory = new_inventory(hosts, **from_hosts("first"), **CACHE)
    before = inventory.list()["first"]
    hosts.write_text("[gpu]\nfirst\n")
    after = inventory.list()["first"]
    assert after["vllm_base_models"] == before["vllm_base_models"] != []
    assert (after["vllm_reachable"], after["vllm_stale"]) == (False, True)


def test_constructed_groups_see_variables_of_groups(new_inventory: NewInventory, hosts: Path) -> None:
    inventory = new_inventory(hosts, **from_hosts("gpu"), groups={"here": "vllm_port | int > 9 and vllm_reachable"})
    assert inventory.list().members("here") == ["first"]


def test_the_last_source_decides_on_a_host_that_two_have(new_inventory: NewInventory, server: StandIn) -> None:
    alive, dead = server.url, CLOSED
    for urls, state in (
        ((alive, dead), "vllm_unreachable"),
        ((dead, alive), "vllm_reachable"),
        ((dead, dead), "vllm_unreachable"),
    ):
        first, last = (new_inventory(endpoints=[{"name": "edge", "base_url": url}]) for url in urls)
        last.sources.append(first.file)
        listing = last.list()
        assert listing["edge"]["vllm_base_url"] == urls[1]
        groups = {group: listing.members(group) for group in ("vllm_reachable", "vllm_unreachable")}
        assert groups == {"vllm_reachable": [], "vllm_unreachable": [], state: ["edge"]}
        told = f"'{urls[1]}' replaces '{urls[0]}', which is not audited" in listing.messages
        assert told == (urls[0] != urls[1])
