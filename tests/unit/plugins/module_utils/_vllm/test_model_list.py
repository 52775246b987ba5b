# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading /v1/models: what every generation lists, and what is no list at all."""

from __future__ import annotations

import json

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.models import BaseModel, Card, Observed
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.answers import Answer
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.model_list import read_model_list

BASE = {
    "id": "tiny",
    "object": "model",
    "owned_by": "vllm",
    "root": "/models/tiny",
    "parent": None,
    "max_model_len": 256,
}
ALIAS = {**BASE, "id": "tiny-alias"}
SQL = {**BASE, "id": "sql", "root": "/a/sql", "parent": "tiny", "max_model_len": None}
# Listed up to 0.9.2; with --prompt-adapters, as root stands the base model's name.
PROMPT_ADAPTER = {**BASE, "id": "prompt", "root": "tiny", "parent": None, "max_model_len": None}


def read(data: object, status: int = 200, **envelope: object) -> Observed:
    body = json.dumps({"object": "list", "data": data, **envelope})
    return read_model_list(Answer("http://node/v1/models", status, body), "http://node")


def test_base_models_aliases_and_adapters() -> None:
    other = {**BASE, "id": "other", "root": "/models/other", "max_model_len": 512}
    observed = read([BASE, ALIAS, other, SQL, {**SQL, "id": "tickets", "parent": "other"}])
    assert observed == Observed(
        "http://node",
        (BaseModel("tiny", "/models/tiny", 256, ("tiny-alias",)), BaseModel("other", "/models/other", 512)),
        (Card("sql", "/a/sql", "tiny"), Card("tickets", "/a/sql", "other")),
    )
    assert observed.base_model("tiny-alias") is observed.base_model("tiny")
    assert observed.base_model("sql") is None
    assert observed.base_model(None) is None


def test_a_list_and_not_a_dictionary() -> None:
    """Up to 0.30 an adapter may be called like the base model, and requests go to the base model."""
    observed = read([BASE, BASE, {**SQL, "id": "tiny"}, SQL, {**SQL, "root": "/b/sql"}])
    assert [(base.id, base.aliases) for base in observed.base_models] == [("tiny", ())]
    assert [adapter.name for adapter in observed.adapters] == ["tiny", "sql", "sql"]
    assert observed.adapter("sql").root == "/a/sql"


def test_what_is_neither_is_left_out() -> None:
    observed = read([BASE, PROMPT_ADAPTER, {**SQL, "id": "child", "max_model_len": 256}, SQL])
    assert [base.id for base in observed.base_models] == ["tiny"]
    assert [adapter.name for adapter in observed.adapters] == ["sql"]


def test_roots_may_be_missing() -> None:
    observed = read([{**BASE, "root": None}, {**SQL, "root": None}])
    assert observed.base_models == (BaseModel("tiny", None, 256),)
    assert observed.adapters == (Card("sql", "", "tiny"),)


def test_names_are_kept_as_they_are() -> None:
    names = ["a b", "a/b", "größe", "{{ lookup('pipe', 'id') }}", 'quo"te', "new\nline", "x" * 300]
    observed = read([BASE, *({**SQL, "id": name} for name in names)])
    assert [adapter.name for adapter in observed.adapters] == names


def test_ten_thousand_adapters() -> None:
    observed = read([BASE, *({**SQL, "id": f"adapter-{n}"} for n in range(10_000))])
    assert len(observed.adapters) == 10_000


def test_front_end_whose_list_outlives_its_engine() -> None:
    rust = {"owned_by": "vllm-frontend-rs"}
    assert read([{**BASE, **rust}, {**SQL, **rust}]).rust_front_end
    assert not read([BASE, SQL]).rust_front_end
    # A proxy or an old test double may leave the owner out.
    assert not read([{key: value for key, value in BASE.items() if key != "owned_by"}]).rust_front_end


@pytest.mark.parametrize("owner", ["sglang", "llamacpp", "library", "openai", "x" * 1000, "\x1b[2J"])
def test_list_of_another_server_says_whose_it_is(owner: str) -> None:
    """Servers that speak the same language have other routes for adapters, or none: nothing is concluded about them."""
    for cards in ([{**BASE, "owned_by": owner}], [{"id": "m", "object": "model", "owned_by": owner}]):
        with pytest.raises(VllmError, match="it is another server than vLLM; check that base_url") as caught:
            read(cards)
        assert caught.value.code == "not_vllm"
        assert caught.value.message.isprintable()
        assert len(caught.value.message) < 600
    assert "owner (owned_by) is 'sglang'" in message_of("sglang")


def message_of(owner: str) -> str:
    with pytest.raises(VllmError) as caught:
        read([{**BASE, "owned_by": owner}])
    return caught.value.message


@pytest.mark.parametrize("owner", ["vllm", "vllm-ascend", "My-vLLM", "", None, 7])
def test_owner_that_says_nothing_against_vllm(owner: object) -> None:
    assert read([{**BASE, "owned_by": owner}]).base_models


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>Please log in</html>",
        '{"object": "list", "data": [{"id": "ti',
        "null",
        "7",
        '"models"',
        "[]",
        "{}",
        '{"object": "list"}',
        '{"object": "list", "data": null}',
        '{"object": "list", "data": {"id": "tiny"}}',
        '{"data": []}',
        '{"object": "error", "message": "M"}',
        '{"object": "page", "data": [{"id": "tiny", "max_model_len": 256}]}',
        '{"models": [{"name": "tiny:latest"}]}',
    ],
)
def test_no_model_list(body: str) -> None:
    assert_not_vllm(body)


@pytest.mark.parametrize(
    "data",
    [
        [],
        [SQL],  # adapters without a base model: somebody else's list, or half of one
        [PROMPT_ADAPTER],
        ["tiny"],
        [None],
        [[]],
        [BASE, {}],
        [BASE, {**SQL, "id": None}],
        [BASE, {**SQL, "id": ""}],
        [BASE, {**SQL, "id": 7}],
        [BASE, {**SQL, "root": 7}],
        [BASE, {**SQL, "parent": ["tiny"]}],
        [{**BASE, "max_model_len": "256"}],
        [BASE, "cut"],
    ],
)
def test_malformed_list(data: object) -> None:
    assert_not_vllm(json.dumps({"object": "list", "data": data}))


def assert_not_vllm(body: str) -> None:
    with pytest.raises(VllmError) as refused:
        read_model_list(Answer("http://node/v1/models", 200, body), "http://node")
    error = refused.value
    assert (error.code, error.http_status, error.retryable, error.is_unreachable) == ("not_vllm", 200, False, False)
    assert "nothing is concluded" in error.message
    assert error.message.isprintable()
    assert error.detail == body[:2048]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (201, "not_vllm"),
        (204, "not_vllm"),
        (206, "not_vllm"),
        (302, "not_vllm"),
        (401, "unauthorized"),
        (404, "not_vllm"),
    ]
    + [(500, "server_error"), (502, "unreachable"), (503, "unreachable")],
)
def test_only_200_is_believed(status: int, code: str) -> None:
    with pytest.raises(VllmError) as refused:
        read([BASE, SQL], status=status)
    assert refused.value.code == code
