# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in answers as the real server does: status, content type, shape of the JSON, and the words of errors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.asking import Reply

from .questions import questions
from .servers import KEY, Server

# The first test waits for the real server, which may have to be installed.
pytestmark = pytest.mark.timeout(1800)

NAMES = [question.name for question in questions(Server("", Path("/"), KEY, "", "tiny", offline=True))]
# Added where the engine has worker processes, as on the CPU and with tensor parallelism.
WORKER = re.compile(r"Worker failed with error '(.*?)', please check the stack trace above for the root cause")
# Answers of which only the shape is compared; all others are equal word by word.
SHAPE_ONLY = ("list", "completion", "version", "key:")
# Completions grow fields from release to release, and the stand-in has those of 0.32.
COMPLETION_FIELDS = {"id", "object", "created", "model", "choices", "index", "text", "finish_reason", "stop_reason"}
COMPLETION_FIELDS |= {"logprobs", "prompt_logprobs", "usage", "prompt_tokens", "total_tokens", "completion_tokens"}
COMPLETION_FIELDS |= {"text_offset", "token_logprobs", "tokens", "top_logprobs", "message", "role", "content"}
COMPLETION_FIELDS |= {"token", "logprob"}
COMPLETION_FIELDS |= {"error", "message", "type", "param", "code"}


def shape(value: Any, fields: set[str] | None = None) -> Any:
    """Keys and types, all the way down; of these fields, if there are any named."""
    if isinstance(value, dict):
        return {key: shape(item, fields) for key, item in value.items() if fields is None or key in fields}
    if isinstance(value, list):
        return [shape(item, fields) for item in value]
    return type(value).__name__


def comparable(name: str, reply: Reply, server: Server) -> Any:
    """What must be equal: without the places of the adapters, which vLLM redacts in some releases and directories."""
    if name.startswith("metrics before"):
        # An external server can have had requests for adapters before.
        return [line for line in told_of_adapters(reply.text) if line.startswith("#")]
    if name.startswith("metrics"):
        return told_of_adapters(reply.text)
    text = re.sub(re.escape(str(server.adapters)) + r"(/[\w.-]+)*", "<path>", reply.text)
    if not name.startswith(SHAPE_ONLY):
        return WORKER.sub(r"\1", text)
    if reply.content_type != "application/json":
        return None
    return shape(json.loads(text), COMPLETION_FIELDS if name.startswith("completion") else None)


def told_of_adapters(metrics: str) -> list[str]:
    """The description of the metric, and of its lines the newest without the time, as the collection reads them."""
    lines = [line for line in metrics.splitlines() if "lora_requests_info" in line]
    described = [line for line in lines if line.startswith("#")]
    values = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return described + [max(values, key=lambda value: float(value[1]))[0]] if values else described


def served(reply: Reply, server: Server) -> list[dict[str, Any]]:
    """The cards of a list, without times and random identifiers."""
    cards = json.loads(reply.text.replace(str(server.adapters), "<path>"))["data"]
    keys = ("id", "object", "owned_by", "root", "parent", "max_model_len")
    return [{key: card[key] for key in keys} for card in cards]


@pytest.mark.parametrize("name", NAMES)
def test_same_answer(
    name: str,
    real: Server,
    stand_in: Server,
    real_replies: dict[str, Reply],
    stand_in_replies: dict[str, Reply],
) -> None:
    if name not in real_replies:
        pytest.skip("the external server has no key, may reach a hub, or would die of it")
    theirs, ours = real_replies[name], stand_in_replies[name]
    assert (ours.status, ours.content_type) == (theirs.status, theirs.content_type)
    assert ours.headers.get("allow") == theirs.headers.get("allow")
    assert comparable(name, ours, stand_in) == comparable(name, theirs, real)
    if "location" in theirs.headers:
        assert ours.headers["location"].removeprefix(stand_in.url) == theirs.headers["location"].removeprefix(real.url)
    if name.startswith("list") and theirs.status == 200:
        assert served(ours, stand_in) == served(theirs, real)
