# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is served, to whom, and what a server was started with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stand_in import StandIn
from tests.support.asking import ask, load, served, unload

KEY = {"Authorization": "Bearer secret"}


def test_0_6_lists_nothing_that_was_loaded_and_loads_anything() -> None:
    with StandIn("0.6.6") as server:
        assert load(server.url, "a", "/nowhere").status == 200
        assert served(server.url) == {"tiny": "tiny"}


def test_static_adapters_can_be_unloaded_and_are_back_after_a_restart(examples: Path) -> None:
    static = {"a": examples / "first", "b": {"path": str(examples / "first"), "base_model_name": "alias"}}
    with StandIn(static=static, base_models=("tiny", "alias")) as server:
        unload(server.url, "a")
        load(server.url, "c", examples / "second")
        assert set(served(server.url)) == {"tiny", "alias", "b", "c"}
        port = server.port
        server.restart()
        assert server.port == port
        cards = {card["id"]: card for card in ask(server.url, "GET", "/v1/models").json["data"]}
        assert set(cards) == {"tiny", "alias", "a", "b"}
        assert (cards["a"]["parent"], cards["b"]["parent"]) == ("tiny", "alias")


def test_a_static_adapter_that_does_not_load_stops_the_start(examples: Path) -> None:
    with pytest.raises(ValueError, match="rank 64"):
        StandIn(static={"a": examples / "rank64"})


@pytest.mark.parametrize(("profile", "body"), [("0.32", '{"detail":"Not Found"}'), ("rust", "")])
def test_runtime_updating_off(examples: Path, profile: str, body: str) -> None:
    with StandIn(profile, runtime_lora=False) as server:
        for reply in (load(server.url, "a", examples / "first"), unload(server.url, "a")):
            assert (reply.status, reply.text) == (404, body)
        assert ask(server.url, "GET", "/v1/load_lora_adapter").status == 404
        assert ask(server.url, "POST", "/adapters", {"name": "a", "src": "/x"}).status == 404


@pytest.mark.parametrize(
    ("profile", "open_paths", "guarded"),
    [
        ("0.10.0", ["/health", "/v2/x", "/cohere"], ["/v1/models", "/v1/nowhere", "/v1"]),
        ("0.22", ["/health", "/cohere"], ["/v1/models", "/v2/x", "/inference"]),
        ("0.32", ["/health", "/version", "/ping"], ["/v1/models", "/v2/x", "/inference", "/cohere"]),
    ],
)
def test_what_the_key_guards(profile: str, open_paths: list[str], guarded: list[str]) -> None:
    with StandIn(profile, api_key=["other", "secret"]) as server:
        assert {ask(server.url, "GET", path).status for path in guarded} == {401}
        assert {ask(server.url, "GET", path).status for path in open_paths} <= {200, 404}
        assert ask(server.url, "OPTIONS", "/v1/models").status == 405
        assert ask(server.url, "GET", "/v1/models", headers=KEY).status == 200
        assert ask(server.url, "GET", "/v1/nowhere", headers=KEY).status == 404
        assert [request.authorized for request in server.log[-2:]] == [True, True]
        assert not server.log[0].authorized


@pytest.mark.parametrize(("profile", "status"), [("0.10.1", 401), ("0.11.0", 200)])
def test_case_of_the_scheme(profile: str, status: int) -> None:
    with StandIn(profile, api_key="secret") as server:
        assert ask(server.url, "GET", "/v1/models", headers={"Authorization": "bearer secret"}).status == status


def test_somebody_else_changes_things_between_two_requests(examples: Path) -> None:
    with StandIn() as server:
        load(server.url, "a", examples / "first")
        server.on_request = lambda request: server.unload("a") if request.path == "/v1/models" else None
        assert served(server.url) == {"tiny": "tiny"}
        server.on_request = None
        server.load("b", examples / "second")
        assert "b" in served(server.url)
        assert [request.path for request in server.writes] == ["/v1/load_lora_adapter"]
        assert (server.log[0].method, server.log[0].status, server.log[0].body) == (
            "POST",
            200,
            {"lora_name": "a", "lora_path": str(examples / "first")},
        )


@pytest.mark.parametrize(
    ("profile", "status", "start"),
    [
        ("0.7", 404, "Loading lora a failed"),
        ("0.7.3", 404, "Loading lora a failed"),
        ("0.8.0", 400, "Call to add_lora method failed: Loading lora a failed"),
        ("0.17", 404, "Call to add_lora method failed: Loading lora a failed"),
        ("0.18", 404, "Loading lora a failed"),
    ],
)
def test_path_not_found_with_the_default_engine(profile: str, status: int, start: str) -> None:
    with StandIn(profile) as server:
        reply = load(server.url, "a", "/nowhere")
        error = reply.json.get("error", reply.json)
        assert (reply.status, error["code"]) == (status, status)
        assert error["message"].startswith(start)


@pytest.mark.parametrize(
    ("profile", "path", "shown"),
    [
        ("0.25.1", "/home/ops/missing", "/home/ops/missing"),
        ("0.26", "/home/ops/missing", "<path>"),
        ("0.32", "/srv/adapters/a-1.2/missing", "<path>"),
        ("0.32", "/data/adapters/missing", "/data/adapters/missing"),
    ],
)
def test_paths_in_messages(profile: str, path: str, shown: str) -> None:
    with StandIn(profile) as server:
        assert load(server.url, "a", path).json["error"]["message"].endswith(f"No adapter found for {shown}")
