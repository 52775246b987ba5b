# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What answers mean, in every shape that a vLLM, a proxy or a portal gives them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.answers import (
    Answer,
    completion_error,
    error_body,
    load_error,
    read_error,
    unload_error,
)

# Of 50 releases, as their own handlers answered; see the file's `about`.
RECORDED = json.loads((Path(__file__).parents[4] / "stand_in" / "recorded_answers.json").read_text(encoding="utf-8"))
HTML = "<!DOCTYPE html><html><body>Please log in</body></html>"
FLAT = '{"object":"error","message":"M","type":"T","param":null,"code":400}'
NESTED = '{"error":{"message":"M","type":"T","param":null,"code":400}}'
RUST = '{"error":{"message":"M","type":"invalid_request_error","param":null,"code":"model_not_found"}}'
RUST_33 = '{"error":{"message":"M","type":"NotFoundError","param":"model","code":404}}'


def answer(status: int, body: str = "", **more: object) -> Answer:
    return Answer("http://node/v1/load_lora_adapter", status, body, **more)


def said(message: str) -> str:
    return json.dumps({"error": {"message": message, "type": "T", "param": None, "code": 400}})


@pytest.mark.parametrize(
    ("body", "origin", "message"),
    [
        (FLAT, "vllm", "M"),  # up to 0.10.0
        (NESTED, "vllm", "M"),  # from 0.10.1
        (RUST, "vllm", "M"),
        (RUST_33, "vllm", "M"),
        ('{"error":{}}', "vllm", ""),
        ('{"error":"Unauthorized"}', "other", "Unauthorized"),
        ('{"detail":"Not Found"}', "router", "Not Found"),
        ('{"detail":[{"loc":["body"]}]}', "router", "[{'loc': ['body']}]"),
        ("", "router", ""),  # the Rust front-end's 404 and 405
        (" \n", "router", " \n"),
        ("Internal Server Error", "other", "Internal Server Error"),
        (HTML, "other", HTML),
        ("[1]", "other", "[1]"),
        ("[" * 100000, "other", "[" * 100000),  # deeper than any parser goes
        ('{"message":"M"}', "other", '{"message":"M"}'),
        (r'{"detail":"\ud83d\ude00"}', "router", "\U0001f600"),
        (r'{"detail":"half \uDE00"}', "other", r'{"detail":"half \uDE00"}'),
    ],
)
def test_who_speaks(body: str, origin: str, message: str) -> None:
    spoken = error_body(answer(404, body))
    assert (spoken.origin, spoken.message) == (origin, message)


# Whatever the route, these mean the same.
@pytest.mark.parametrize("decode", [load_error, unload_error, read_error])
@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (401, "unauthorized", False),
        (403, "forbidden", False),
        (429, "throttled", True),
        (502, "unreachable", True),
        (503, "unreachable", True),
        (504, "unreachable", True),
        (301, "not_vllm", False),
        (302, "not_vllm", False),
        (307, "not_vllm", False),
    ],
)
@pytest.mark.parametrize("body", ["", HTML, '{"error":"Unauthorized"}', NESTED])
def test_common_meanings(decode, status: int, code: str, retryable: bool, body: str) -> None:
    error = decode(answer(status, body), "try it")
    assert (error.code, error.retryable, error.http_status) == (code, retryable, status)
    # A gateway may have let the request through.
    assert error.outcome_unknown == (status in (502, 503, 504))


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (404, '{"detail":"Not Found"}', "runtime_lora_disabled"),
        (404, "", "runtime_lora_disabled"),
        # The proxy that answers so does not pass the route; a GET of it is judged alike.
        (404, HTML, "runtime_lora_disabled"),
        (404, '{"message":"no Route matched with those values"}', "runtime_lora_disabled"),
        (404, said("Loading lora x failed: No adapter found for /x"), "artifact_not_found"),
        (404, said("words of a later release"), "artifact_not_found"),
        (
            400,
            said("Call to add_lora method failed: Loading lora x failed: No adapter found for /x"),
            "artifact_not_found",
        ),
        (400, said("Local LoRA adapter path must exist and be accessible."), "artifact_not_found"),
        (
            400,
            said("Local LoRA adapter paths require VLLM_RUNTIME_LORA_ALLOWED_PATH_PREFIXES to be configured."),
            "artifact_rejected",
        ),
        (400, said("Local LoRA adapter path is outside the configured allowed prefixes."), "artifact_rejected"),
        (400, said("engine was not started with LoRA enabled"), "lora_disabled"),
        (400, said("LoRA adapter `x` is already loaded. If you want to load the adapter in place, …"), "not_converged"),
        (500, said("utility call `add_lora` failed: Expected `bool`, got `null` - at `$[4]`"), "invalid_request"),
        (400, said("LoRA rank 64 is greater than max_lora_rank 16."), "artifact_rejected"),
        (500, said("LoRA rank 64 is greater than max_lora_rank 16."), "artifact_rejected"),
        (500, said("words of a later release"), "artifact_rejected"),
        (500, said("LoRA is not enabled."), "lora_disabled"),
        (400, said("LoRA is not enabled. Use --enable-lora to enable LoRA."), "lora_disabled"),
        (400, said("The lora adapter 'x' conflicts with a served base model."), "name_conflict"),
        (400, said("The lora adapter 'x' has already beenloaded."), "not_converged"),
        (400, said("1 validation error:\n  {'type': 'missing'}"), "invalid_request"),
        (500, "Internal Server Error", "server_error"),
        (500, "", "server_error"),
        (500, HTML, "server_error"),
        (405, '{"detail":"Method Not Allowed"}', "invalid_request"),
        (413, HTML, "invalid_request"),
        (415, '{"detail":"Unsupported Media Type"}', "invalid_request"),
    ],
)
def test_load(status: int, body: str, code: str) -> None:
    error = load_error(answer(status, body), "load adapter 'x' from '/x'")
    assert error.code == code
    # What vLLM itself refuses did not happen; behind a broken gateway it may have.
    assert error.outcome_unknown == (code == "server_error")
    assert_one_sentence(error)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (404, '{"detail":"Not Found"}', "runtime_lora_disabled"),
        (404, "", "runtime_lora_disabled"),
        (404, HTML, "runtime_lora_disabled"),
        (404, said("The lora adapter 'x' cannot be found."), "not_converged"),
        (404, '{"object":"error","message":"The lora adapter \'x\' cannot be found."}', "not_converged"),
        (500, said("engine rejected removal of LoRA adapter x"), "server_error"),
        (500, "", "server_error"),
        (400, said("'lora_name' needs to be provided to unload a LoRA adapter."), "invalid_request"),
    ],
)
def test_unload(status: int, body: str, code: str) -> None:
    error = unload_error(answer(status, body), "unload adapter 'x'")
    assert error.code == code
    assert_one_sentence(error)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (404, said("The model `x` does not exist."), "not_converged"),
        (404, '{"detail":"Not Found"}', "invalid_request"),
        (400, said("This model generates no text."), "invalid_request"),
        (401, '{"error":"Unauthorized"}', "unauthorized"),
        (499, "", "invalid_request"),
        (500, said("EngineCore encountered an issue."), "server_error"),
        (501, "", "server_error"),
        (503, HTML, "unreachable"),
    ],
)
def test_completion(status: int, body: str, code: str) -> None:
    assert completion_error(answer(status, body), "ask adapter 'x' for a token").code == code


# From 0.18 on vLLM answers 500 to what its engine refuses, and 200 in 0.6 to anything.
LOAD_CODES = {
    "load_path_not_found": "artifact_not_found",
    "load_rank_too_large": "artifact_rejected",
    "load_lora_not_enabled": "lora_disabled",
    "load_engine_value_error": "artifact_rejected",
    "load_missing_field": "invalid_request",
    "load_bad_json": "invalid_request",
    "load_text_plain": "invalid_request",
    "load_without_content_type": "invalid_request",
    "load_again": "not_converged",
    "load_name_of_base_model": "name_conflict",
    "load_without_key": "unauthorized",
    "route_unknown": "runtime_lora_disabled",
}
UNLOAD_CODES = {
    "unload_unknown": "not_converged",
    "unload_missing_field": "invalid_request",
    "unload_empty_name": "invalid_request",
    "load_without_key": "unauthorized",
    "route_unknown": "runtime_lora_disabled",
}


def recorded(question: str) -> list:
    """The refusals that releases from 0.7 on gave to a question."""
    return [
        pytest.param(question, given["status"], given["body"], id=f"{question}-{given['releases'][0]}")
        for given in RECORDED["answers"][question]
        if given["status"] != 200 and not given["releases"][-1].startswith("0.6.") and not given.get("cut")
    ]


@pytest.mark.parametrize(("question", "status", "body"), [p for question in LOAD_CODES for p in recorded(question)])
def test_recorded_refusals_to_load(question: str, status: int, body: str) -> None:
    error = load_error(answer(status, body), "load adapter 'x' from '/x'")
    assert error.code == LOAD_CODES[question]
    assert error.http_status == status
    assert_one_sentence(error)


@pytest.mark.parametrize(("question", "status", "body"), [p for question in UNLOAD_CODES for p in recorded(question)])
def test_recorded_refusals_to_unload(question: str, status: int, body: str) -> None:
    error = unload_error(answer(status, body), "unload adapter 'x'")
    assert error.code == UNLOAD_CODES[question]
    assert_one_sentence(error)


def assert_one_sentence(error: VllmError) -> None:
    """What was tried, where, what came back, what to do; on one line."""
    assert error.message.startswith(
        ("Could not load adapter 'x' from '/x' at http://", "Could not unload adapter 'x' at http://")
    )
    assert f" {error.http_status} " in error.message or f" {error.http_status};" in error.message
    assert error.message.endswith(f"; {error.hint}.")
    assert error.message.isprintable()


def test_detail_is_verbatim_and_cut() -> None:
    spoken = "line\none \x1b[2J" + "x" * 5000
    error = load_error(answer(500, said(spoken)), "try it")
    assert error.detail == spoken[:2048]
    assert len(error.message) < 1000
    assert error.message.isprintable()


def test_key_that_comes_back_is_covered() -> None:
    key = "sk-open-sesame"
    for body in (said(f"bad key {key}"), f"<p>{key}</p>", json.dumps({"detail": key}), json.dumps({"error": key}), key):
        for status in (400, 401, 404, 429, 500, 502):
            error = load_error(answer(status, body, secret=key), "try it")
            assert key not in json.dumps([error.message, error.as_dict()])
    quoting = 'sk-"open"'
    escaped = load_error(answer(400, json.dumps([quoting]), secret=quoting), "try it")
    assert "open" not in json.dumps([escaped.message, escaped.as_dict()])
    redirect = read_error(answer(302, "", location=f"https://portal/?{key}", secret=key), "try it")
    assert "https://portal/?********" in redirect.message
    assert key not in repr(answer(200, "", secret=key))
