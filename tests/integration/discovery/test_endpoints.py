# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option `endpoints`: hosts, names, ranges, variables and groups."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible.plugins.loader import inventory_loader

from tests.stand_in import write_adapter
from tests.support.asking import served
from tests.support.server import REHEARSAL_SUFFIX

from .conftest import CLOSED, NewInventory, NewServer
from .in_process import parse


def test_hosts_tell_what_their_servers_serve(
    new_server: NewServer, new_inventory: NewInventory, tmp_path: Path
) -> None:
    server = new_server(base_models=("tiny", "alias"), base_root="/models/tiny")
    for name in ("sql", "summaries"):
        server.load(name, write_adapter(tmp_path / name))
    rehearsal = f"sql{REHEARSAL_SUFFIX}"
    server.load(rehearsal, write_adapter(tmp_path / "sql"))
    listing = new_inventory(endpoints=[{"name": "edge", "base_url": f"{server.url}/v1/"}]).list()
    variables = listing["edge"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", variables.pop("vllm_observed_at"))
    assert variables == {
        "vllm_base_url": server.url,
        "vllm_reachable": True,
        "vllm_error": None,
        "vllm_base_models": [
            {"id": "tiny", "root": "/models/tiny", "max_model_len": 256, "aliases": ["alias"]},
        ],
        "vllm_served_adapters": [
            {"name": name, "root": root, "parent": "tiny"}
            for name, root in served(server.url).items()
            if name not in ("tiny", "alias", rehearsal)
        ],
        "vllm_server_version": server.profile.version,
        "vllm_stale": False,
        "vllm_ask_from": "controller",
    }
    assert {(request.method, request.path) for request in server.log} == {("GET", "/v1/models"), ("GET", "/version")}


def test_groups_graph_and_order(new_server: NewServer, new_inventory: NewInventory) -> None:
    up, also_up = new_server(), new_server()
    inventory = new_inventory(
        endpoints=[
            {"name": "z", "base_url": up.url},
            {"name": "m", "base_url": CLOSED},
            {"name": "a", "base_url": also_up.url},
        ]
    )
    listing = inventory.list()
    assert listing.members("vllm") == ["z", "m", "a"]
    assert listing.members("vllm_reachable") == ["z", "a"]
    assert listing.members("vllm_unreachable") == ["m"]
    assert _without_times(inventory.list().text) == _without_times(listing.text)
    graph = inventory.run("--graph", "vllm_reachable").stdout
    assert graph == "@vllm_reachable:\n  |--z\n  |--a\n"


def test_groups_exist_when_they_are_empty(new_inventory: NewInventory) -> None:
    graph = new_inventory(endpoints=[CLOSED]).run("--graph").stdout
    assert "@vllm_reachable:\n" in graph


@pytest.mark.parametrize(
    ("endpoints", "hosts"),
    [
        (["http://127.0.0.1:9"], {"127.0.0.1": "http://127.0.0.1:9"}),
        (["http://LocalHost:9/v1"], {"LocalHost": "http://LocalHost:9"}),
        (["http://[::1]:9"], {"::1": "http://[::1]:9"}),
        (["http://127.0.0.[08:10]:9"], {f"127.0.0.{n}": f"http://127.0.0.{n}:9" for n in ("08", "09", "10")}),
        (
            ["http://127.0.[1:2].[1:3:2]:9"],
            {f"127.0.{a}.{b}": f"http://127.0.{a}.{b}:9" for a in (1, 2) for b in (1, 3)},
        ),
        (
            [{"name": "edge[001:003]", "base_url": "http://127.0.0.1:9/edge[001:003]"}],
            {f"edge{n}": f"http://127.0.0.1:9/edge{n}" for n in ("001", "002", "003")},
        ),
        (
            [{"name": "edge[01:03]", "base_url": "http://127.0.0.[1:3]:9"}],
            {f"edge0{n}": f"http://127.0.0.{n}:9" for n in (1, 2, 3)},
        ),
        (
            [{"name": "[a:b]-gpu[1:2]", "base_url": "http://127.0.0.[1:2]:9/[a:b]"}],
            {f"{rack}-gpu{n}": f"http://127.0.0.{n}:9/{rack}" for rack in "ab" for n in (1, 2)},
        ),
        (
            [{"name": "gpu[1:2]", "base_url": "http://127.0.0.[1:2]:9/[1:2]"}],
            {f"gpu{n}": f"http://127.0.0.{n}:9/{n}" for n in (1, 2)},
        ),
        ("http://127.0.0.1:9,http://127.0.0.2:9", {f"127.0.0.{n}": f"http://127.0.0.{n}:9" for n in (1, 2)}),
    ],
)
def test_names_and_ranges(tmp_path: Path, endpoints: Any, hosts: dict[str, str]) -> None:
    parsed = parse(tmp_path, endpoints=endpoints, timeout=2)
    assert {name: variables["vllm_base_url"] for name, variables in parsed.items()} == hosts
    assert list(parsed) == list(hosts)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("fleet.vllm.yml", True), ("vllm.yaml", True), ("fleet.yml", False), ("vllm.json", False)],
)
def test_names_of_files(tmp_path: Path, name: str, wanted: bool) -> None:
    (tmp_path / name).touch()
    assert inventory_loader.get("sovereign.vllm.vllm").verify_file(str(tmp_path / name)) is wanted


def _without_times(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\dT[0-9:]+Z", "", text)
