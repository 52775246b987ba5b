# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection options and keys: they reach the servers they are meant for, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible.plugins.loader import inventory_loader
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.endpoint import CONNECTION_OPTIONS

from tests.stand_in import Fault, StandIn
from tests.support.certificates import context_of, write_certificate

from .cache_file import CACHE
from .conftest import NewInventory, NewServer

KEY = "sk-5e5a3e-shared"
OWN_KEY = "sk-77aa01-own"


def at(name: str, server: StandIn, **more: Any) -> dict[str, Any]:
    return {"name": name, "base_url": server.url, **more}


def keys_sent_to(server: StandIn) -> set[str | None]:
    return {request.headers.get("authorization") for request in server.log}


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        ({"api_key": KEY}, {}),
        ({}, {"VLLM_API_KEY": KEY}),
        ({"api_key": "{{ lookup('ansible.builtin.env', 'FROM_ELSEWHERE') }}"}, {"FROM_ELSEWHERE": KEY}),
    ],
    ids=["option", "environment", "template"],
)
def test_key_of_all(
    new_server: NewServer, new_inventory: NewInventory, options: dict[str, str], environment: dict[str, str]
) -> None:
    server = new_server(api_key=KEY)
    listing = new_inventory(endpoints=[at("edge", server)], **options).list(environment=environment)
    assert listing["edge"]["vllm_reachable"] is True


def test_key_of_one(new_server: NewServer, new_inventory: NewInventory) -> None:
    server, other, open_one = new_server(api_key=OWN_KEY), new_server(api_key=KEY), new_server()
    endpoints = [at("own", server, api_key_env="EDGE_KEY"), at("other", other), at("open", open_one)]
    listing = new_inventory(endpoints=endpoints, api_key=KEY).list(environment={"EDGE_KEY": OWN_KEY})
    assert listing.members("vllm_reachable") == ["own", "other", "open"]
    assert keys_sent_to(server) == {f"Bearer {OWN_KEY}"}
    assert keys_sent_to(other) == {f"Bearer {KEY}"}


def test_no_key_is_sent_where_none_is_given(new_server: NewServer, new_inventory: NewInventory) -> None:
    server = new_server()
    new_inventory(endpoints=[at("edge", server)]).list()
    assert keys_sent_to(server) == {None}


def test_server_whose_own_key_is_missing_is_not_asked(new_server: NewServer, new_inventory: NewInventory) -> None:
    server, other, third = new_server(), new_server(), new_server()
    endpoints = [
        at("edge", server, api_key_env="NOT_SET"),
        at("next", other, api_key_env="NOT_SET"),
        at("third", third),
    ]
    listing = new_inventory(endpoints=endpoints, api_key=KEY).list()
    assert server.log == other.log == []
    assert listing.members("vllm_reachable") == ["third"]
    assert listing["edge"]["vllm_error"]["code"] == "invalid_request"
    assert "'NOT_SET', which is not set" in listing["edge"]["vllm_error"]["msg"]
    assert listing.messages.count("'NOT_SET', which is not set") == 1
    assert "(hosts: 'edge', 'next')" in listing.messages


#: Each sends back the key that ends with its name.
ECHOES = {
    "page": Fault("GET", "/v1/models", "answer", text=f"<html>Authorization: Bearer {KEY}-page</html>"),
    "refusal": Fault("GET", "/v1/models", "answer", status=401, json={"error": f"bad key {KEY}-refusal"}),
    "redirect": Fault("GET", "/v1/models", "redirect", location=f"https://portal.example/?key={KEY}-redirect"),
    "version": Fault("GET", "/version", "answer", json={"version": f"0.12.{KEY}-version"}),
    "list": Fault(
        "GET",
        "/v1/models",
        "answer",
        json={"object": "list", "data": [{"id": "tiny", "root": f"/{KEY}-list", "parent": None, "max_model_len": 256}]},
    ),
    "nothing": None,
}


def test_key_is_nowhere_to_be_seen(new_server: NewServer, new_inventory: NewInventory) -> None:
    keys = {echo: f"{KEY}-{echo}" for echo in ECHOES}
    servers = {echo: new_server(api_key=key) for echo, key in keys.items()}
    for echo, server in servers.items():
        if ECHOES[echo]:
            server.faults.add(ECHOES[echo])
    endpoints = [at(echo, server, api_key_env=f"KEY_OF_{echo}") for echo, server in servers.items()]
    inventory = new_inventory(endpoints=endpoints, compose={"all_of_it": "vars"}, **CACHE)
    environment = {f"KEY_OF_{echo}": key for echo, key in keys.items()}
    result = inventory.run("--list", "-vvvv", environment=environment)
    assert result.returncode == 0
    assert {echo: keys_sent_to(server) for echo, server in servers.items()} == {
        echo: {f"Bearer {key}"} for echo, key in keys.items()
    }
    kept = [file.read_text() for file in (inventory.directory / "seen").iterdir()]
    assert kept
    for text in (result.stdout, result.stderr, *kept):
        assert re.findall(f"{KEY}[-a-z]*", text) == []


def test_certificates(new_server: NewServer, new_inventory: NewInventory, tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path / "server.pem")
    endpoint = at("edge", new_server(ssl_context=context_of(certificate)))

    def seen(environment: dict[str, str] | None = None, **options: Any) -> Any:
        variables = new_inventory(endpoints=[endpoint], **options).list(environment=environment)["edge"]
        return variables["vllm_error"] and variables["vllm_error"]["code"]

    assert seen() == "tls"
    assert seen(ca_path=str(certificate)) is None
    assert seen(validate_certs=False) is None
    trusted, other = str(certificate), str(write_certificate(tmp_path / "other.pem"))
    assert seen({"SSL_CERT_FILE": trusted}) is None
    assert seen({"REQUESTS_CA_BUNDLE": trusted, "SSL_CERT_FILE": other}) is None
    assert seen({"REQUESTS_CA_BUNDLE": trusted}, ca_path=other) == "tls"


def test_proxy(new_server: NewServer, new_inventory: NewInventory) -> None:
    server = new_server()
    environment = {"http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    endpoints = [at("edge", server)]
    assert not new_inventory(endpoints=endpoints).list(environment=environment)["edge"]["vllm_reachable"]
    listing = new_inventory(endpoints=endpoints, use_proxy=False).list(environment=environment)
    assert listing["edge"]["vllm_reachable"] is True


def test_retries(new_server: NewServer, new_inventory: NewInventory) -> None:
    server = new_server()
    server.faults.add(Fault("GET", "/v1/models", "answer", status=503, text="", times=1))
    endpoints = [at("edge", server)]
    assert not new_inventory(endpoints=endpoints).list()["edge"]["vllm_reachable"]
    server.faults.add(Fault("GET", "/v1/models", "answer", status=503, text="", times=1))
    listing = new_inventory(endpoints=endpoints, retries=1, retry_delay=0.01).list()
    assert listing["edge"]["vllm_reachable"] is True


def test_options_are_those_of_the_modules() -> None:
    """Written again for the documentation alone; a dead site must not cost a fleet several time-outs by default."""
    ours = inventory_loader.get("sovereign.vllm.vllm").option_definitions
    spec = {name: option for name, option in CONNECTION_OPTIONS.items() if name != "base_url"}
    defaults = {name: option.get("default") for name, option in spec.items()}
    assert {name: ours[name].get("default") for name in spec} == {**defaults, "retries": 0}
    assert {name: ours[name]["type"] for name in spec} == {name: option["type"] for name, option in spec.items()}
    assert [variable["name"] for variable in ours["api_key"]["env"]] == [spec["api_key"]["env"]]
