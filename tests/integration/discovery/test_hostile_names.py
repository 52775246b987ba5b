# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What servers say is data: nobody's model name is ever evaluated, wherever it is used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.stand_in import Fault, StandIn, write_adapter
from tests.support.inventory import Inventory
from tests.support.playbook import IN_WORKER, Run, run_playbook

from .cache_file import CACHE
from .conftest import NewInventory, NewServer

TASKS = """
- name: data
  ansible.builtin.debug:
    msg:
      model: "{{ hostvars.edge.vllm_base_models[0].id }}"
      adapters: "{{ hostvars.edge.vllm_served_adapters | map(attribute='name') | list }}"
      all: "{{ hostvars.edge.vllm_base_models }}"
      composed: "{{ hostvars.edge.first_model }}"
      listed: "{{ hostvars.edge.every_name }}"
      joined: "{{ hostvars.edge.joined }}"
      joined_header: "{{ hostvars.edge.joined_header }}"
      version: "{{ hostvars.edge.vllm_server_version }}"
      error: "{{ hostvars.edge.vllm_error }}"
      templated: "{{ hostvars.edge.own }}"
      groups: "{{ groups.keys() | list }}"
"""


@pytest.fixture
def header(jinja: str) -> str:
    """A template without any of Jinja's usual delimiters, since its first line names others."""
    line = "#jinja2: variable_start_string: '[[', variable_end_string: ']]'"
    return line + "\n" + jinja.replace("{{", "[[").replace("}}", "]]")


@pytest.fixture
def names(jinja: str, header: str) -> list[str]:
    return [
        jinja,
        header,
        "{% if true %}yes{% endif %}",
        "{# gone #}",
        "it's",
        'a "b"',
        "two\nlines",
        "{{ 1 + 1 }}",
    ]


@pytest.fixture
def server(new_server: NewServer, names: list[str], jinja: str, tmp_path: Path) -> StandIn:
    server = new_server(base_models=(jinja,), version=jinja)
    for name in names[1:]:
        server.load(name, write_adapter(tmp_path / "adapter"))
    return server


@pytest.fixture
def inventory(new_inventory: NewInventory, server: StandIn) -> Inventory:
    return new_inventory(
        endpoints=[{"name": "edge", "base_url": server.url, "vars": {"own": "{{ 6 * 7 }}"}}],
        compose={
            "first_model": "vllm_base_models[0].id",
            "every_name": "vllm_served_adapters | map(attribute='name') | list",
            "joined_header": "vllm_served_adapters[0].name[:2] ~ vllm_served_adapters[0].name[2:]",
            "joined": "vllm_base_models[0].id[:2] ~ vllm_base_models[0].id[2:]",
        },
        keyed_groups=[
            {"key": "vllm_base_models | map(attribute='id') | list", "prefix": "model"},
            {"key": "vllm_server_version", "prefix": "release", "parent_group": "releases"},
        ],
        groups={"named_so": "vllm_base_models[0].id is search('lookup')"},
        strict=True,
        **CACHE,
    )


def run(inventory: Inventory) -> Run:
    return run_playbook(TASKS, {"localhost": IN_WORKER}, inventory.directory, options=["-i", str(inventory.file)])


@pytest.mark.parametrize("source", ["server", "cache"])
def test_names_are_data(
    inventory: Inventory, names: list[str], jinja: str, header: str, ran: Path, source: str
) -> None:
    if source == "cache":
        run(inventory)
    data = run(inventory).of("data")["localhost"].msg
    assert not ran.exists()
    assert (data["model"], data["composed"], data["joined"], data["version"]) == (jinja, jinja, jinja, jinja)
    assert data["adapters"] == data["listed"] == names[1:]
    assert data["all"][0]["id"] == jinja
    assert data["joined_header"] == header
    assert data["error"] in (None, "")
    assert str(data["templated"]) == "42"
    assert {"named_so", "releases"} <= set(data["groups"])
    assert [group for group in data["groups"] if group.startswith("model_")]


def test_refusals_are_data(new_inventory: NewInventory, server: StandIn, jinja: str, ran: Path) -> None:
    server.faults.add(Fault("GET", "/v1/models", "answer", status=500, json={"error": {"message": jinja}}))
    inventory = new_inventory(endpoints=[{"name": "edge", "base_url": server.url}], compose={"why": "vllm_error.msg"})
    tasks = "- name: why\n  ansible.builtin.debug: {msg: '{{ hostvars.edge.why }}'}\n"
    result = run_playbook(tasks, {"localhost": IN_WORKER}, inventory.directory, options=["-i", str(inventory.file)])
    assert "lookup(" in result.of("why")["localhost"].msg
    assert not ran.exists()


def test_listing_is_json(inventory: Inventory, names: list[str], ran: Path) -> None:
    listing = inventory.list()
    assert [adapter["name"] for adapter in listing["edge"]["vllm_served_adapters"]] == names[1:]
    assert json.loads(listing.text)
    assert inventory.run("--graph").returncode == 0
    assert not ran.exists()
