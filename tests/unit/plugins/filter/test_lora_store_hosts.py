# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which servers are asked before anything is removed from a store, and when that is in doubt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

lora_store_hosts = pytest.importorskip(
    "ansible_collections.sovereign.vllm.plugins.filter.lora_store_hosts"
).lora_store_hosts


def server(port: int = 8000, **variables: Any) -> dict[str, Any]:
    return {"vllm_base_url": f"http://127.0.0.1:{port}", **variables}


class Broken(Mapping):
    """Variables of which one cannot be resolved, as since ansible-core 2.19."""

    def __getitem__(self, name: str) -> Any:
        raise ValueError(f"{name} is undefined")

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def __iter__(self) -> Iterator[str]:
        return iter(["vllm_base_url", "ansible_host"])

    def __len__(self) -> int:
        return 2


def asked(hostvars: dict[str, Mapping], *servers: str, of: str = "a") -> tuple[list[str], list[str]]:
    found = lora_store_hosts(hostvars, list(hostvars), servers, [of])[of]
    return found["servers"], found["doubts"]


SAME = {
    "address": ({"ansible_host": "10.0.0.1"}, {"ansible_host": "10.0.0.1"}),
    "address of the old name": ({"ansible_host": "Edge."}, {"ansible_ssh_host": "edge"}),
    "name of the other": ({"ansible_host": "b"}, {}),
    "IPv6": ({"ansible_host": "fd00::1"}, {"ansible_host": "[FD00:0::1]"}),
    "controller": ({"ansible_connection": "local"}, {"ansible_host": "127.0.0.1"}),
    "server": ({"vllm_base_url": "http://edge:1"}, {"vllm_base_url": "http://edge:2/v1"}),
    "server and address": ({"vllm_base_url": "http://edge:1"}, {"ansible_host": "edge"}),
    "named by it": ({"lora_store_hosts": ["a", "b"]}, {}),
    "named by the other": ({}, {"lora_store_hosts": ["a", "b"]}),
    "ports of ssh": ({"ansible_host": "nat", "ansible_port": 1}, {"ansible_host": "nat", "ansible_port": 2}),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_a_host_that_can_read_from_the_store_is_asked(one: dict, other: dict) -> None:
    hostvars = {"a": server(1, **one), "b": server(2, **other), "far": server()}
    for host in ("a", "b"):
        assert asked(hostvars, of=host) == (["a", "b"], [])
    assert asked(hostvars, of="far") == (["far"], [])


APART = {
    "loopback addresses of servers": ({}, {}),
    "sites behind one proxy": ({"vllm_base_url": "http://gw/one"}, {"vllm_base_url": "http://gw/two"}),
}


@pytest.mark.parametrize(("one", "other"), APART.values(), ids=APART)
def test_a_host_of_another_node_is_not(one: dict, other: dict) -> None:
    assert asked({"a": server(1, **one), "b": server(1, **other)}) == (["a"], [])


def test_sharing_goes_over_other_hosts() -> None:
    hostvars = {
        "a": server(1, lora_store_hosts=["b"]),
        "b": server(2, ansible_host="edge"),
        "c": server(3, ansible_host="edge"),
    }
    assert asked(hostvars) == (["a", "b", "c"], [])


def test_only_servers_are_asked() -> None:
    hostvars = {"a": server(ansible_host="edge"), "database": {"ansible_host": "edge"}}
    assert asked(hostvars) == (["a"], [])
    hosts, doubts = asked(hostvars, "database")
    assert hosts == ["a", "database"] and "database can read from the same store, and has no" in doubts[0]


def test_what_a_play_knows_comes_from_the_facts() -> None:
    def view(url: str, **inventory: Any) -> dict[str, Any]:
        told = {"connection": "ssh", "address": "edge", "base_url": url, "store_hosts": ["a"]}
        return {"ansible_host": "edge", "lora_store_view": told, **inventory}

    hostvars = {"a": view(""), "b": view("http://b", vllm_base_url="http://b", vllm_ask_from="controller")}
    found = lora_store_hosts(hostvars, ["a", "b"], ["a", "b"], ["a", "b"])
    assert found["a"] == found["b"] == {"servers": ["a", "b"], "asked_from_here": ["b"], "doubts": []}
    # Its own tasks have another address than the inventory, so that others would ask another server.
    for inventory in ({}, {"vllm_base_url": "http://c"}):
        hostvars["b"] = {**view("http://b"), **inventory}
        (doubt,) = asked(hostvars)[1]
        assert doubt.startswith("b can read from the same store, and has http://b as vllm_base_url, which")
    # By its keyword, a play is connected to all of its hosts in one way.
    local = {"lora_store_view": {**view("http://127.0.0.1:8000")["lora_store_view"], "connection": "local"}}
    assert asked({"a": local, "b": server()}) == (["a", "b"], [])


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Broken(), "The variables of b cannot be read"),
        (server(ansible_host="{{ missing }}"), "ansible_host is '{{ missing }}', which cannot be evaluated"),
        (server(lora_store_hosts=["a", "typo"]), "lora_store_hosts names typo"),
    ],
    ids=["not resolved", "template", "unknown host"],
)
def test_what_is_not_known_is_a_doubt(other: Mapping, words: str) -> None:
    _hosts, doubts = asked({"a": server(), "b": other})
    assert len(doubts) == 1 and words in doubts[0]
