# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook sovereign.vllm.heal heals the host that an event names by the variables of that host, and sends no key elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.stand_in import StandIn
from tests.support.guide import shell
from tests.support.server import Server

FLEET, OWN = "sk-fleet-6620", "sk-own-1188"
# As ansible-rulebook has it.
LIMIT = "--limit all,localhost"


def heal(directory: Path, endpoint: str, url: str, adapters: list[dict], **connection: str) -> str:
    drift: dict[str, Any] = {"endpoint": endpoint, "base_url": url, "declared": {"adapters": adapters}}
    event = {"ansible_eda": {"event": {"drift": {**drift, "connection": connection}}}}
    (directory / "event.json").write_text(json.dumps(event))
    output = shell(
        f"ansible-playbook -i inventory {LIMIT} sovereign.vllm.heal -e @event.json",
        directory,
        0,
        {"VLLM_API_KEY": FLEET},
    )
    assert FLEET not in output and OWN not in output
    return output


def keys(server: StandIn) -> set[str | None]:
    """The keys that were sent to a server."""
    found = {request.headers.get("authorization") for request in server.log}
    server.clear_log()
    return {key and key.removeprefix("Bearer ") for key in found}


def test_each_server_gets_its_own_key_and_declaration(tmp_path: Path, examples: Path) -> None:
    in_event = [{"name": "event", "path": str(examples / "first")}]
    in_inventory = [{"name": "inventory", "path": str(examples / "first")}]
    with StandIn(api_key=OWN) as edge, StandIn() as open_one, StandIn(api_key=FLEET) as of_fleet:
        hosts = {
            "edge": {"vllm_base_url": edge.url, "vllm_api_key": OWN, "lora_adapters": in_inventory},
            # Without a declaration.
            "plain": {"vllm_base_url": "http://127.0.0.1:9", "vllm_api_key": OWN},
        }
        inventory = {"vllm": {"hosts": hosts, "vars": {"ansible_connection": "local"}}}
        (tmp_path / "inventory").mkdir()
        (tmp_path / "inventory" / "sites.json").write_text(json.dumps(inventory))

        heal(tmp_path, "edge", of_fleet.url, in_event)
        assert (keys(edge), keys(of_fleet)) == ({OWN}, set())
        assert set(Server(edge.url, OWN).served()) == {"inventory"}

        # An endpoint that is no host, and names that are a group, a pattern and a host without a declaration.
        heal(tmp_path, "vllm", open_one.url, in_event, api_key_env="")
        assert (keys(open_one), set(Server(open_one.url).served())) == ({None}, {"event"})
        for name in ("e*", "plain"):
            Server(of_fleet.url, FLEET).served()
            of_fleet.forget()
            heal(tmp_path, name, of_fleet.url, in_event)
            assert keys(of_fleet) == {FLEET}
            assert set(Server(of_fleet.url, FLEET).served()) == {"event"}
        assert keys(edge) <= {OWN}
