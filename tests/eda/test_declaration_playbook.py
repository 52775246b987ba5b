# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook sovereign.vllm.declaration writes from the inventory what the event source reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.stand_in import StandIn
from tests.support.guide import shell

from .source import helper_of_source
from .watching import Watching, observed

KEYS = {"HARBOUR_KEY": "sk-harbour-7712", "VLLM_API_KEY": "sk-fleet-0043"}
SECRET = "sk-in-the-inventory-9913"
SQL = [{"name": "sql", "path": "/srv/sql"}]


def run(directory: Path, hosts: Mapping[str, Any], options: str = "", rc: int = 0) -> str:
    (directory / "sites.json").write_text(json.dumps({"vllm": {"hosts": hosts}}))
    given = "-i sites.json -e lora_declaration_file=events/declaration.yml"
    output = shell(f"ansible-playbook {given} {options} sovereign.vllm.declaration", directory, rc, KEYS)
    assert not any(key in output for key in (SECRET, *KEYS.values()))
    return " ".join(output.split())


def test_the_source_watches_what_the_inventory_declares(
    tmp_path: Path, artifacts: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    first = {"name": "sql", "path": str(artifacts["first"])}
    with (
        StandIn(api_key=KEYS["HARBOUR_KEY"], static={"sql": artifacts["first"]}) as keyed,
        StandIn(static={"sql": artifacts["first"]}) as keyless,
        StandIn(api_key=KEYS["VLLM_API_KEY"]) as of_fleet,
    ):
        sites = {"harbour": keyed, "open": keyless, "fleet": of_fleet}
        hosts: dict[str, dict] = {
            name: {"vllm_base_url": server.url, "ansible_connection": "local", "lora_adapters": [first]}
            for name, server in sites.items()
        }
        hosts["harbour"] |= {"vllm_api_key_env": "HARBOUR_KEY", "lora_prune": "yes", "lora_prune_exclude": ["tenant-*"]}
        hosts["open"]["vllm_api_key"] = ""
        hosts["fleet"]["lora_adapters"] = []
        file = tmp_path / "events" / "declaration.yml"
        output = run(tmp_path, hosts, "--check --diff")
        assert "+ - name: harbour" in output and "would have 3 endpoints" in output and not file.exists()
        run(tmp_path, hosts)
        text = file.read_text()
        assert "changed=0" in run(tmp_path, hosts)
        with Watching(file) as watching:
            for server in sites.values():
                observed(server)
            assert watching.events == []
            keyed.unload("sql")
            (event,) = watching.next()
    assert (event["endpoint"], event["state"], event["difference"][0]["drift"]) == ("harbour", "drifted", "missing")
    assert event["declared"] == {"adapters": [first], "prune": True, "prune_exclude": ["tenant-*"]}
    assert event["connection"] == {"api_key_env": "HARBOUR_KEY"}
    assert all("authorization" not in {name.lower() for name in request.headers} for request in keyless.log)
    assert all(request.authorized for request in [*keyed.log, *of_fleet.log] if request.path == "/v1/models")
    assert not any(key in text for key in KEYS.values())


def test_every_adapter_has_its_path(tmp_path: Path, artifacts: Mapping[str, Path]) -> None:
    digest = f"sha256:{'4f2a9c01d7be' + '0' * 52}"
    hosts = {
        "edge1": {
            "vllm_base_url": "http://edge1:8000/v1/",
            "vllm_timeout": "7",
            "vllm_retries": 9,
            "vllm_ca_path": "/etc/pki/edge.pem",
            "lora_store": "/srv/lora",
            "lora_prune_limit": 0,
            "lora_requires": {"version": ">=0.31"},
            "lora_adapters": [
                {"name": "sql", "src": str(artifacts["first"]), "state": "reloaded"},
                {"name": "notes", "digest": digest},
                {"name": "gone", "state": "absent"},
                {"lora_name": "old", "lora_path": "/srv/old"},
            ],
        },
        "edge2": {"vllm_base_url": "http://edge2:8000"},
    }
    assert "Left out, since they have no lora_adapters: edge2." in run(tmp_path, hosts)
    read = helper_of_source("_declaration_file").read_declaration
    (edge,) = read(tmp_path / "events" / "declaration.yml", {})
    paths = {adapter.name: adapter.path for adapter in edge.adapters}
    assert paths["notes"] == "/srv/lora/notes/4f2a9c01d7be"
    assert paths["sql"].startswith("/srv/lora/sql/") and (paths["gone"], paths["old"]) == (None, "/srv/old")
    assert {adapter.state for adapter in edge.adapters} == {"present", "absent"}
    assert (edge.endpoint.timeout, edge.connection["ca_path"]) == (7, "/etc/pki/edge.pem")
    assert (edge.pruning.prune_limit, edge.options["requires"]) == (0, {"version": ">=0.31"})
    # The other form of the file has the same meaning.
    run(tmp_path, hosts, "-e lora_declaration_file=events/declaration.json")
    assert read(tmp_path / "events" / "declaration.json", {}) == (edge,)


def test_the_file_stays_unless_every_host_is_resolved(tmp_path: Path) -> None:
    hosts = {
        "loopback": {"vllm_base_url": "http://127.0.0.1:8000", "lora_adapters": SQL},
        "key": {"vllm_base_url": "http://edge:8000", "vllm_api_key": SECRET, "lora_adapters": SQL},
        "nowhere": {"lora_adapters": SQL},
        "template": {"vllm_base_url": "http://edge:8000", "lora_adapters": "{{ undefined_one }}"},
        "mistyped": {"vllm_base_url": "http://edge:8000", "lora_adapters": [{"name": "sql", "pth": "/srv/sql"}]},
        "unsafe": {
            "vllm_base_url": "http://edge:8000",
            "lora_adapters": [{"name": {"__ansible_unsafe": "{{ 7 * 7 }}"}, "path": "/srv/sql"}],
        },
        "good": {"vllm_base_url": "http://good:8000", "lora_adapters": SQL},
    }
    file = tmp_path / "events" / "declaration.yml"
    file.parent.mkdir()
    file.write_text("endpoints: []\n")
    output = run(tmp_path, hosts, rc=2)
    for told in (
        "the server of 'loopback' is at http://127.0.0.1:8000 as its node sees it, and the event source runs elsewhere",
        "vllm_api_key of 'key' is a key, and the declaration file only has the names of environment variables",
        "'nowhere' has no vllm_base_url",
        "lora_adapters cannot be resolved",
        "has the unknown option 'pth'",
        "the declaration of unsafe has '{{ 7 * 7 }}', which Ansible would evaluate as a template",
        "key, loopback, mistyped, nowhere, template, unsafe could not be resolved",
        "declaration.yml' stays as it was",
    ):
        assert told in output
    assert file.read_text() == "endpoints: []\n"
    output = run(tmp_path, hosts, "--limit good", rc=2)
    assert "left out by --limit" in output and file.read_text() == "endpoints: []\n"
    output = run(tmp_path, hosts, "-e lora_declaration_partial=true", rc=2)
    assert "has 1 endpoint. Left out, since they could not be resolved: key, loopback" in output
    assert [one.name for one in helper_of_source("_declaration_file").read_declaration(file, {})] == ["good"]
    assert "no host has lora_adapters" in run(tmp_path, {"edge": {}}, rc=2)
