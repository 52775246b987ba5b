# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What both servers are asked, in this order: the life of an adapter, and every mistake that can be made on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.support.asking import JSON

from .servers import Server

LOAD = "/v1/load_lora_adapter"
UNLOAD = "/v1/unload_lora_adapter"
NAME = "contract-adapter"
OTHER = "contract-other"


@dataclass(frozen=True)
class Question:
    """headers: None for the key of the server and the type of the body."""

    name: str
    method: str
    path: str
    body: Any = None
    headers: dict[str, str] | None = field(default=None)


def _load(name: str, server: Server, adapter: str, as_name: str = NAME, **fields: Any) -> Question:
    body = {"lora_name": as_name, "lora_path": f"{server.adapters}/{adapter}", **fields}
    return Question(name, "POST", LOAD, body)


def _unload(name: str, adapter: str = NAME) -> Question:
    return Question(name, "POST", UNLOAD, {"lora_name": adapter})


def _list(name: str) -> Question:
    return Question(name, "GET", "/v1/models")


def _completion(name: str, model: str) -> Question:
    return Question(name, "POST", "/v1/completions", {"model": model, "prompt": "hello", "max_tokens": 4})


def questions(server: Server) -> Iterator[Question]:
    """All questions, worded for one server."""
    yield from _tidy()
    yield from _routes()
    yield from _life(server)
    yield from _rejected(server)
    yield from _mistakes(server)
    yield from _names(server)
    yield from _sagemaker(server)
    if server.key:
        yield from _without_key(server)


def _tidy() -> Iterator[Question]:
    """An external server may have been left with our adapters by a run that was stopped."""
    yield _unload("tidy: adapter")
    yield _unload("tidy: other")


def _routes() -> Iterator[Question]:
    yield Question("health", "GET", "/health")
    yield Question("ping", "GET", "/ping")
    yield Question("version", "GET", "/version")
    yield _list("list without adapters")
    yield Question("metrics before any request for an adapter", "GET", "/metrics")
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "HEAD"):
        yield Question(f"{method} of the load route", method, LOAD)
    yield Question("POST of the list", "POST", "/v1/models", {})
    yield Question("HEAD of health", "HEAD", "/health")
    yield Question("unknown route", "GET", "/v1/contract")
    yield Question("unknown route outside /v1", "POST", "/contract", {})
    yield Question("list with a slash", "GET", "/v1/models/")
    yield Question("one model", "GET", "/v1/models/tiny")
    yield Question("reset of the prefix cache", "POST", "/reset_prefix_cache")
    yield Question("server info", "GET", "/server_info")


def _life(server: Server) -> Iterator[Question]:
    yield _load("load", server, "first")
    yield _list("list with an adapter")
    yield _completion("completion of the base model", server.base)
    yield _completion("completion of the adapter", NAME)
    yield _completion("completion of an unknown model", "contract-nobody")
    yield from _log_probabilities(NAME)
    yield Question("metrics after requests for an adapter", "GET", "/metrics")
    yield from _bad_completions(server.base, server.headers)
    yield _load("load again", server, "first")
    yield _load("load another path", server, "second")
    yield _load("load another path in place", server, "second", load_inplace=True)
    yield _list("list after a load in place")
    yield _load("load oversized tensors in place", server, "oversized", load_inplace=True)
    yield _list("list after oversized tensors")
    if not _dies_of_oversized_tensors(server):
        yield _completion("completion of the adapter with oversized tensors", NAME)
    yield _load("load a rejected path in place", server, "rank64", load_inplace=True)
    yield _load("load a missing path in place", server, "missing", load_inplace=True)
    yield _list("list after rejected loads in place")
    yield _unload("unload")
    yield _unload("unload again")
    yield _load("load with a slash at the end", server, "first/")
    yield _load("load another", server, "second", as_name=OTHER, is_3d_lora_weight=True, foo=1, base_model_name="x")
    yield _list("list of two")
    yield _unload("unload the first")
    yield _unload("unload the other", OTHER)
    yield _list("list after unloading")


def _log_probabilities(model: str) -> Iterator[Question]:
    """As the collection asks for them, and more than any server gives unless it is told to."""
    next_token = {"model": model, "max_tokens": 1, "temperature": 0, "cache_salt": "contract"}
    texts = ["The village stands", "hello"]
    chat = {**next_token, "messages": [{"role": "user", "content": "hello"}], "logprobs": True}
    for name, path, body in (
        ("completion with log-probabilities", "", {**next_token, "prompt": texts, "logprobs": 5}),
        ("completion with the least log-probabilities", "", {**next_token, "prompt": texts, "logprobs": 0}),
        ("completion by chat with log-probabilities", "chat/", {**chat, "top_logprobs": 5}),
        ("refused: too many log-probabilities", "", {**next_token, "prompt": texts, "logprobs": 21}),
        ("refused: too many log-probabilities by chat", "chat/", {**chat, "top_logprobs": 21}),
    ):
        yield Question(name, "POST", f"/v1/{path}completions", body)


def _dies_of_oversized_tensors(server: Server) -> bool:
    numbers = re.findall(r"\d+", server.version)
    return [int(number) for number in numbers[:2]] >= [0, 33]


def _bad_completions(model: str, headers: dict[str, str]) -> Iterator[Question]:
    for name, fields in {
        "no prompt": {},
        "no tokens": {"prompt": "a", "max_tokens": 0},
        "too many tokens": {"prompt": "a", "max_tokens": 100000},
        "tokens as text": {"prompt": "a", "max_tokens": "x"},
    }.items():
        yield Question(f"completion: {name}", "POST", "/v1/completions", {"model": model, **fields})
    yield Question("completion: no content type", "POST", "/v1/completions", b"{}", headers)


def _rejected(server: Server) -> Iterator[Question]:
    for adapter in (
        "missing",
        "rank64",
        "dora",
        "bias",
        "oversized",
        "broken-json",
        "no-tensors",
        "no-config",
        "truncated",
    ):
        yield _load(f"load {adapter}", server, adapter)
    yield _load("load a file", server, "first/adapter_config.json")
    if server.offline:
        yield Question("load from a hub", "POST", LOAD, {"lora_name": NAME, "lora_path": "contract/adapter"})
    yield _load("load with the name of the base model", server, "rank64", as_name=server.base)
    yield _list("list after rejected loads")


def _mistakes(server: Server) -> Iterator[Question]:
    path = f"{server.adapters}/first"
    for name, body in {
        "empty strings": {"lora_name": "", "lora_path": ""},
        "no path": {"lora_name": NAME},
        "nothing": {},
        "null": {"lora_name": NAME, "lora_path": None},
        "a number": {"lora_name": 5, "lora_path": path},
        "maybe in place": {"lora_name": "", "lora_path": "", "load_inplace": "maybe"},
        "in place as text": {"lora_name": "", "lora_path": "", "load_inplace": "yes"},
        "a list": [1],
        "bad JSON": b"{bad",
        "cut JSON": b'{"lora_name": "x"',
        "not UTF-8": b'{"lora_name": "\xff"}',
        "null alone": b"null",
    }.items():
        yield Question(f"load: {name}", "POST", LOAD, body)
    key = server.headers
    yield Question("load: no body", "POST", LOAD, b"", {**JSON, **key})
    yield Question("load: text/plain", "POST", LOAD, b"{}", {"Content-Type": "text/plain", **key})
    yield Question("load: no content type", "POST", LOAD, b"{}", key)
    yield Question(
        "load: with charset", "POST", LOAD, b"{}", {"Content-Type": "application/json; charset=utf-8", **key}
    )
    yield _unload("unload: empty name", "")
    yield Question("unload: nothing", "POST", UNLOAD, {})
    yield Question("unload: no content type", "POST", UNLOAD, b"{}", key)
    yield Question("unload: another id", "POST", UNLOAD, {"lora_name": "contract-nobody", "lora_int_id": 7})


def _names(server: Server) -> Iterator[Question]:
    for name in ("contract a/b", "contract-ü-€", "contract-" + "n" * 300, "contract-\N{SNOWMAN}\n"):
        yield _load(f"load as {name[:20]!r}", server, "first", as_name=name)
        yield _list(f"list with {name[:20]!r}")
        yield _unload(f"unload {name[:20]!r}", name)


def _sagemaker(server: Server) -> Iterator[Question]:
    body = {"name": NAME, "src": f"{server.adapters}/first", "preload": True, "pin": True}
    yield Question("/adapters: GET", "GET", "/adapters")
    yield Question("/adapters: register", "POST", "/adapters", body)
    yield Question("/adapters: register again", "POST", "/adapters", {**body, "load_inplace": True})
    yield _list("list after registering")
    yield Question(
        "/adapters: a rank too high", "POST", "/adapters", {"name": OTHER, "src": f"{server.adapters}/rank64"}
    )
    yield Question("/adapters: no source", "POST", "/adapters", {"name": OTHER})
    yield Question("/adapters: empty name", "POST", "/adapters", {"name": "", "src": "x"})
    yield Question("/adapters: GET of one", "GET", f"/adapters/{NAME}")
    yield Question("/adapters: unregister", "DELETE", f"/adapters/{NAME}")
    yield Question("/adapters: unregister again", "DELETE", f"/adapters/{NAME}")
    yield Question("/adapters: with a slash in the name", "DELETE", "/adapters/a%2Fb")


def _without_key(server: Server) -> Iterator[Question]:
    body = {"lora_name": "", "lora_path": ""}
    yield Question("no key: list", "GET", "/v1/models", headers={})
    yield Question("no key: load", "POST", LOAD, body, {})
    yield Question("no key: GET of the load route", "GET", LOAD, headers={})
    yield Question("no key: OPTIONS", "OPTIONS", LOAD, headers={})
    yield Question("no key: unknown route", "GET", "/v1/contract", headers={})
    yield Question("no key: unknown route outside", "GET", "/contract", headers={})
    for path in ("/v2/contract", "/inference", "/cohere/x", "/health", "/version", "/ping"):
        yield Question(f"no key: {path}", "GET", path, headers={})
    yield Question("no key: register", "POST", "/adapters", {"name": OTHER}, {})
    for name, value in {
        "another key": "Bearer other",
        "scheme in small letters": f"bearer {server.key}",
        "another scheme": f"Basic {server.key}",
        "two spaces": f"Bearer  {server.key}",
        "the key alone": server.key or "",
    }.items():
        yield Question(f"key: {name}", "GET", "/v1/models", headers={"Authorization": value})
