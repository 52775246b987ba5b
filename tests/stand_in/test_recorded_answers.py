# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every release that was recorded, against the stand-in with that release's profile: status, type and body."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.stand_in import StandIn, profile_for
from tests.support.asking import JSON, Reply, ask, load, unload

RECORDED = json.loads(Path(__file__).with_name("recorded_answers.json").read_text(encoding="utf-8"))


def _recorded(release: str) -> dict[str, dict[str, Any]]:
    """Question → answer of one release."""
    return {
        question: answer
        for question, answers in RECORDED["answers"].items()
        for answer in answers
        if release in answer["releases"]
    }


def _post(url: str, path: str, raw: bytes, headers: dict[str, str]) -> Reply:
    return ask(url, "POST", path, raw, headers)


def _ask_all(release: str, examples: Path) -> dict[str, Reply]:
    """The questions as they were asked when the answers were recorded, in an order in which they do not disturb."""
    # The recording ran the handlers on a stub of the V1 engine, also for 0.7, whose default is V0.
    profile = replace(profile_for(release), engine="v1")
    good, rank64 = examples / "first", examples / "rank64"
    to_load, to_unload = "/v1/load_lora_adapter", "/v1/unload_lora_adapter"
    replies = {}
    with StandIn(profile=profile, base_models=("base",)) as server:
        url = server.url
        replies["load"] = load(url, "a", good)
        replies["load_again"] = load(url, "a", good)
        replies["load_again_in_place"] = load(url, "a", good, load_inplace=True)
        replies["load_with_unknown_fields"] = load(url, "b", good, foo=1, base_model_name="base")
        # 0.6 loads anything, and was asked for the name b.
        name = "b" if release.startswith("0.6.") else "c"
        unload(url, "b")
        replies["load_path_not_found"] = load(url, name, "/x/missing")
        unload(url, name)
        replies["load_rank_too_large"] = load(url, "c", rank64)
        replies["load_missing_field"] = ask(url, "POST", to_load, {"lora_name": "c"})
        replies["load_empty_strings"] = load(url, "", "")
        replies["load_bad_json"] = _post(url, to_load, b"{bad", JSON)
        replies["load_text_plain"] = _post(url, to_load, b"{}", {"Content-Type": "text/plain"})
        replies["load_without_content_type"] = _post(url, to_load, b'{"lora_name":"zz","lora_path":"/x/ok"}', {})
        replies["load_route_by_get"] = ask(url, "GET", to_load)
        replies["unload_unknown"] = unload(url, "nope")
        replies["unload_empty_name"] = unload(url, "")
        replies["unload_missing_field"] = ask(url, "POST", to_unload, {})
        replies["unload"] = unload(url, "a")
        replies["load_name_of_base_model"] = load(url, "base", good)
        for question, path in {
            "health": "/health",
            "version": "/version",
            "ping": "/ping",
            "route_unknown": "/v1/nope",
        }.items():
            replies[question] = ask(url, "GET", path)
    with StandIn(profile=profile, enable_lora=False) as server:
        replies["load_lora_not_enabled"] = load(server.url, "c", good)
    with StandIn(profile=replace(profile, engine="v1-in-process")) as server:
        replies["load_engine_value_error"] = load(server.url, "c", rank64)
    with StandIn(profile=profile, api_key="key") as server:
        replies["load_without_key"] = load(server.url, "a", good)
        replies["sagemaker_load_without_key"] = ask(server.url, "POST", "/adapters", {"name": "sm", "src": str(good)})
        replies["sagemaker_unload_without_key"] = ask(server.url, "DELETE", "/adapters/sm")
    return replies


def _comparable(release: str, body: str) -> str:
    """Without what says where in its sources a release noticed a mistake, and which release it is."""
    body = re.sub(r'File \\"[^"\\]+\\", line \d+', r'File \\"<source>\\", line 0', body)
    return body.replace(f'"{release}"', '"<version>"')


@pytest.mark.parametrize("release", RECORDED["releases"])
def test_answers_as_the_release_did(release: str, examples: Path) -> None:
    recorded = _recorded(release)
    replies = _ask_all(release, examples)
    assert len(recorded) == (16 if release.startswith("0.6.") else 26)
    for question, answer in recorded.items():
        reply = replies[question]
        body = _comparable(release, reply.text)
        if answer.get("cut"):
            body = body[: len(answer["body"])]
        assert (reply.status, reply.content_type, body) == (answer["status"], answer["content_type"], answer["body"]), (
            question
        )
