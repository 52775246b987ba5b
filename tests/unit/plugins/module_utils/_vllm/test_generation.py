# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log-probabilities and metrics, in the shapes of vLLM and in all others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.answers import Answer
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.generation import (
    chat,
    completion,
    generation_error,
    read_chat,
    read_completion,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.metrics import LoraState, read_metrics


def answer(body: Any, status: int = 200) -> Answer:
    return Answer("http://node/x", status, body if isinstance(body, str) else json.dumps(body))


def choice(index: int, top: Any) -> dict[str, Any]:
    return {"index": index, "text": "a", "logprobs": {"tokens": ["a"], "top_logprobs": [top]}}


def test_completions_are_read_in_the_order_of_the_prompts() -> None:
    read = read_completion(answer({"choices": [choice(1, {"b": -2}), choice(0, {"a": -1.5})]}), 2)
    assert read is not None
    assert read.tops == ({"a": -1.5}, {"b": -2.0})


@pytest.mark.parametrize(
    "choices",
    [
        [],
        "text",
        [choice(0, {"a": -1})],  # of two prompts
        [choice(0, {"a": -1}), choice(1, {})],
        [choice(0, {"a": -1}), choice(1, None)],
        [choice(0, {"a": -1}), choice(1, {"a": "low"})],
        [choice(0, {"a": -1}), choice(1, {"a": True})],
        [choice(0, {"a": -1}), {"index": 1, "logprobs": None}],
        [choice(0, {"a": -1}), 7],
    ],
)
def test_anything_else_has_no_log_probabilities(choices: Any) -> None:
    assert read_completion(answer({"choices": choices}), 2) is None
    assert read_completion(answer({"choices": [choice(0, {"a": float("nan")})]}), 1) is None


def test_chat_answers() -> None:
    entry = {"token": "a", "logprob": -1.0, "bytes": [97]}
    good = {"choices": [{"message": {}, "logprobs": {"content": [{**entry, "top_logprobs": [entry]}]}}]}
    read = read_chat([answer(good), answer(good)])
    assert read is not None
    assert read.tops == ({"a": -1.0}, {"a": -1.0})
    for bad in (
        {},
        {"choices": [{"logprobs": None}]},
        {"choices": [{"logprobs": {"content": [{"top_logprobs": [7]}]}}]},
    ):
        assert read_chat([answer(good), answer(bad)]) is None


def test_requests_leave_out_what_kills_engines() -> None:
    """With adapters, log-probabilities of the prompt do."""
    for request in (completion("sql", ["a", "b"], "salt"), chat("sql", "a", "salt")):
        assert not {"prompt_logprobs", "echo"} & set(request)
        assert (request["max_tokens"], request["temperature"], request["cache_salt"]) == (1, 0, "salt")
    assert "cache_salt" not in completion("sql", ["a"])


OLD = {"object": "error", "message": "The model does not support Chat Completions API", "code": 400}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (404, {"detail": "Not Found"}, "no_completions"),
        (404, "", "no_completions"),  # the Rust front-end
        (405, {"detail": "Method Not Allowed"}, "no_completions"),
        (400, OLD, "no_completions"),
        (501, {"error": {"message": "The model does not support Completions API"}}, "no_completions"),
        (404, {"error": {"message": "The model `x` does not exist."}}, "not_converged"),
        (
            400,
            {"error": {"message": "As of transformers v4.44, default chat template is no longer allowed"}},
            "invalid_request",
        ),
        (403, "No.", "forbidden"),
        (500, {**OLD, "message": "EngineCore encountered an issue."}, "server_error"),
    ],
)
def test_routes_that_are_off(status: int, body: Any, code: str) -> None:
    assert generation_error(answer(body, status), "ask").code == code


HEAD = "# HELP vllm:lora_requests_info Running stats on lora requests.\n# TYPE vllm:lora_requests_info gauge\n"
# As 0.32.0 has them, shortened.
CACHE = 'vllm:cache_config_info{_block_size_resolved="True",block_size="128",hash_block_size="None"} 1.0\n'


def line(running: str, waiting: str, moment: str, slots: str = "2") -> str:
    labels = f'max_lora="{slots}",running_lora_adapters="{running}",waiting_lora_adapters="{waiting}"'
    return f"vllm:lora_requests_info{{{labels}}} {moment}\n"


def requests(running: str, waiting: str, labels: str = '{engine="0",model_name="tiny"}') -> str:
    return f"vllm:num_requests_running{labels} {running}\nvllm:num_requests_waiting{labels} {waiting}\n"


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        (404, "vllm:", LoraState()),
        (200, "<html>Please log in</html>", LoraState()),
        (200, 'vllm:num_requests_running{engine="0"} 0.0\n', LoraState(enabled=False)),
        (200, "# HELP vllm:num_requests_running Multiprocess metric\n", LoraState()),
        (200, HEAD, LoraState(True, None, (), ())),
        (200, CACHE + HEAD, LoraState(True, None, (), (), 128)),
        (200, HEAD + line("", "", "1.7958929808103309e+09"), LoraState(True, 2, (), ())),
        # Lines of earlier moments stay. The newest counts, wherever it stands.
        (
            200,
            HEAD + line("sql", "", "9.0") + line("", "", "10.5") + line("b,a", "c", "2.0"),
            LoraState(True, 2, (), ()),
        ),
        (200, HEAD + line("b,a", "c", "3e+9") + line("", "", "2.0"), LoraState(True, 2, ("a", "b"), ("c",))),
        (200, HEAD + line(r"a\"\\\n", "", "1.0"), LoraState(True, 2, ('a"\\\\n',), ())),
        (200, HEAD + line("a", "", "soon", "many"), LoraState(True, None, ("a",), ())),
        # Nothing is at work any more: the client of the last request has gone, and its line stays (0.32.0 and 0.33.0).
        (200, requests("0.0", "0.0") + HEAD + line("sql", "sql", "5.0"), LoraState(True, 2, (), (), None, 0)),
        (
            200,
            requests("1.0", "0.0") + HEAD + line("sql", "sql", "5.0"),
            LoraState(True, 2, ("sql",), ("sql",), None, 0),
        ),
        # Two engines.
        (
            200,
            requests("0.0", "2.0") + requests("0.0", "1.0", '{engine="1"}') + HEAD + line("a", "", "5.0"),
            LoraState(True, 2, ("a",), (), None, 3),
        ),
        (200, requests("0.0", "NaN", "") + HEAD + line("a", "", "5.0"), LoraState(True, 2, ("a",), ())),
    ],
)
def test_metrics(status: int, body: str, state: LoraState) -> None:
    assert read_metrics(answer(body, status)) == state


@pytest.mark.parametrize(
    ("state", "adapters", "has_requests"),
    [
        (LoraState(), ["sql"], None),
        (LoraState(enabled=False), ["sql"], None),
        (LoraState(True, 2, (), (), None, 0), ["sql"], False),
        (LoraState(True, 2, ("sql",), (), None, 0), ["sql"], True),
        (LoraState(True, 2, ("sql",), (), None, None), ["other"], False),
        (LoraState(True, 2, (), ("sql",), None, 0), ["other", "sql"], True),
        # A request that has not run yet is counted, and not named (0.32.0 and 0.33.0).
        (LoraState(True, 2, ("other",), (), None, 1), ["sql"], True),
        # A name with a comma is listed as two.
        (LoraState(True, 2, ("a", "b"), (), None, 0), ["b,a"], True),
        (LoraState(True, 2, ("a",), (), None, 0), ["b,a"], False),
    ],
)
def test_requests_for_adapters(state: LoraState, adapters: list[str], has_requests: bool | None) -> None:
    assert state.has_requests(adapters) is has_requests
