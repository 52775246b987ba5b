# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source sends keys, uses proxies, and asks each endpoint independently of the others."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.stand_in import Fault, StandIn
from tests.support.asking import eventually

from .watching import PATIENCE, Watching, declare, endpoints, observed

KEY = "sk-edge-4f2a9c01d7be"


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setenv("EDGE_KEY", KEY)
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    with StandIn(api_key=KEY) as server:
        yield server


def test_key_of_the_named_variable_is_sent(keyed, file):
    declare(file, {"base_url": keyed.url, "adapters": [], "api_key_env": "EDGE_KEY"})
    with Watching(file) as watching:
        observed(keyed)
        assert watching.events == []
    assert all(request.authorized for request in keyed.log)


def test_key_of_the_common_variable_is_sent_otherwise(keyed, file, monkeypatch):
    monkeypatch.setenv("VLLM_API_KEY", KEY)
    declare(file, {"base_url": keyed.url, "adapters": []})
    with Watching(file) as watching:
        observed(keyed)
        assert watching.events == []


def test_no_key_at_all(keyed, file):
    declare(file, {"base_url": keyed.url, "adapters": []})
    with Watching(file) as watching:
        assert watching.next()[0]["error"]["code"] == "unauthorized"


ECHOES = {
    "in a refusal": Fault("GET", "/v1", "answer", status=401, json={"error": f"Bearer {KEY} is wrong"}),
    "again and again": Fault("GET", "/v1", "answer", status=500, json={"error": {"message": f"{KEY} " * 500}}),
    "in a page": Fault("GET", "/v1", "answer", status=200, text=f"<html>{KEY}</html>"),
    "in an address": Fault("GET", "/v1", "redirect", location=f"https://portal.example.org/?key={KEY}"),
}


def test_key_is_never_repeated_when_the_server_repeats_it(servers, file, caplog, monkeypatch):
    monkeypatch.setenv("EDGE_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    keyed = servers(ECHOES, api_key=KEY)
    for name, fault in ECHOES.items():
        keyed[name].faults.add(fault)
    declare(file, *endpoints(keyed), adapters=[], api_key_env="EDGE_KEY")
    with Watching(file) as watching:
        events = {event["endpoint"]: event for event in watching.next(len(ECHOES))}
    assert {name: KEY in str(event) for name, event in events.items()} == dict.fromkeys(ECHOES, False)
    assert KEY not in caplog.text


def test_key_is_never_repeated_as_the_name_of_an_adapter(keyed, file, artifacts, caplog):
    caplog.set_level(logging.DEBUG)
    keyed.load(KEY, artifacts["first"])
    declare(file, {"base_url": keyed.url, "adapters": [], "api_key_env": "EDGE_KEY", "prune": True})
    with Watching(file) as watching:
        (event,) = watching.next()
    assert event["difference"][0]["name"] == "********"
    assert KEY not in str(event)
    assert KEY not in caplog.text


HOSTILE_NAMES = ("{{ 7 * 7 }}", "{% raw %}", "{# x", "{{{{ 7 * 7 }}}}", "{{%{#", "a\x1b[2Jb\nc\u202e")


def test_names_that_a_server_makes_up_are_text_and_nothing_else(servers, file, artifacts):
    """An event becomes extra variables of a playbook, which Ansible renders as templates."""
    making_up = servers(f"edge{number}" for number in range(len(HOSTILE_NAMES)))
    for server, name in zip(making_up.values(), HOSTILE_NAMES, strict=True):
        server.load(name, artifacts["first"])
    declare(file, *endpoints(making_up), adapters=[], prune=True)
    with Watching(file) as watching:
        events = watching.next(len(HOSTILE_NAMES))
    assert {event["endpoint"] for event in events} == set(making_up)
    for event in events:
        for text in (event["difference"][0]["name"], event["msg"]):
            assert not {"{{", "{%", "{#"} & {text[at : at + 2] for at in range(len(text))}, event["endpoint"]
            assert text.isprintable(), event["endpoint"]


def test_event_stays_small_whatever_a_server_lists(server, file):
    cards = [{"id": "tiny", "object": "model", "root": "tiny", "parent": None, "max_model_len": 256}]
    cards += [
        {"id": f"{number}-" + "x" * 5000, "object": "model", "root": "/srv", "parent": "tiny", "max_model_len": None}
        for number in range(1000)
    ]
    server.faults.add(Fault("GET", "/v1", "answer", status=200, json={"object": "list", "data": cards}))
    declare(file, {"base_url": server.url, "adapters": [], "prune": True})
    with Watching(file) as watching:
        (event,) = watching.next()
    assert event["summary"]["unexpected"] == 1000
    assert len(event["difference"]) == 100
    assert len(str(event)) < 200_000


@pytest.mark.parametrize(("use_proxy", "asked"), [(True, "proxy"), (False, "server")])
def test_proxy_of_the_environment(server, file, monkeypatch, use_proxy, asked):
    with StandIn() as proxy:
        monkeypatch.setattr(os, "environ", {**os.environ, "http_proxy": proxy.url, "no_proxy": ""})
        declare(file, {"base_url": server.url, "adapters": [], "use_proxy": use_proxy})
        with Watching(file):
            assert eventually(lambda: bool(server.log + proxy.log), PATIENCE)
        assert bool(proxy.log) == (asked == "proxy")
        assert bool(server.log) == (asked == "server")


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of something that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_silent_sites_do_not_delay_the_others(server, file, silent):
    dead = ({"name": f"dead{number}", "base_url": silent} for number in range(150))
    declare(file, *dead, {"name": "well", "base_url": server.url}, adapters=[], timeout=60)
    with Watching(file) as watching:
        observed(server, 15)
        assert watching.events == []  # not one of the dead has been given up meanwhile


def test_names_that_do_not_resolve_in_time_do_not_delay_the_others(server, file, monkeypatch):
    released, resolve = threading.Event(), socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        if str(host).endswith(".invalid"):
            released.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    dead = ({"name": f"dead{number}", "base_url": f"http://dead{number}.invalid"} for number in range(100))
    well = {"name": "well", "base_url": f"http://localhost:{server.port}"}
    declare(file, *dead, well, adapters=[], timeout=60)
    try:
        with Watching(file) as watching:
            observed(server, 15)
            assert watching.events == []
            released.set()
            assert {event["error"]["code"] for event in watching.next(100)} == {"dns"}
    finally:
        released.set()
