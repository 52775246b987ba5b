# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Rust front-end does differently; seen on 0.30.0."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stand_in import StandIn
from tests.support.asking import Reply, ask, complete, load, served, unload


def _error(reply: Reply) -> dict[str, object]:
    return reply.json["error"]


def test_words_and_codes(examples: Path) -> None:
    with StandIn("rust") as server:
        loaded = load(server.url, "a", examples / "first")
        assert (loaded.status, loaded.content_type) == (200, "text/plain; charset=utf-8")
        again = _error(load(server.url, "a", examples / "first"))
        assert (again["code"], again["param"]) == ("invalid_request_error", "lora_name")
        assert str(again["message"]).endswith("set 'load_inplace' to true.")
        assert load(server.url, "tiny", examples / "first").status == 400
        rejected = load(server.url, "b", examples / "rank64")
        assert (rejected.status, _error(rejected)["code"]) == (500, "server_error")
        assert "max_lora_rank" in str(_error(rejected)["message"])
        unknown = unload(server.url, "b")
        assert (unknown.status, _error(unknown)["code"]) == (404, "model_not_found")
        bad = ask(server.url, "POST", "/v1/load_lora_adapter", b"{bad", {"Content-Type": "application/json"})
        assert (bad.status, _error(bad)["code"]) == (400, "json_parse_error")
        cards = ask(server.url, "GET", "/v1/models").json["data"]
        assert {card["owned_by"] for card in cards} == {"vllm-frontend-rs"}
        assert set(ask(server.url, "GET", "/version").json) == {"version", "rust_frontend_version"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/load_lora_adapter", 405),
        ("GET", "/v1/nowhere", 404),
        ("GET", "/ping", 404),
        ("POST", "/adapters", 404),
    ],
)
def test_router_says_nothing(method: str, path: str, status: int) -> None:
    with StandIn("rust") as server:
        reply = ask(server.url, method, path)
        assert (reply.status, reply.text) == (status, "")


def test_roots_are_canonical(tmp_path: Path, examples: Path) -> None:
    (tmp_path / "link").symlink_to(examples)
    with StandIn("rust") as server:
        load(server.url, "a", f"{tmp_path}/link/second/../first/")
        assert served(server.url)["a"] == str((examples / "first").resolve())


@pytest.mark.parametrize(
    ("allowed", "path", "status", "words"),
    [
        (None, "{examples}/first", 400, "ALLOWED_PATH_PREFIXES to be configured"),
        (["/nowhere"], "{examples}/first", 400, "outside the configured"),
        (["/"], "{examples}/missing", 400, "must exist"),
        (["/"], "./first", 400, "must be absolute"),
        (["/"], "some/adapter", 500, "No adapter found"),
        (["/"], "{examples}/no-config", 500, "No adapter found for {examples}/no-config"),
    ],
)
def test_paths_it_takes(examples: Path, allowed: list[str] | None, path: str, status: int, words: str) -> None:
    with StandIn("rust", allowed_prefixes=allowed) as server:
        reply = load(server.url, "a", path.format(examples=examples))
        assert reply.status == status
        assert words.format(examples=examples) in str(_error(reply)["message"])


def test_an_evicted_adapter_cannot_be_unloaded_until_it_is_used(examples: Path) -> None:
    with StandIn("rust", max_cpu_loras=1) as server:
        load(server.url, "a", examples / "first")
        load(server.url, "b", examples / "second")
        assert unload(server.url, "a").status == 500
        assert "a" in served(server.url)
        assert complete(server.url, "a").status == 200
        assert unload(server.url, "a").status == 200
        assert "a" not in served(server.url)
