# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be meant is refused before the first request that writes, in one sentence that names the option."""

from __future__ import annotations

import json

import pytest

from .conftest import NewSite

ADAPTER, ADAPTERS = "vllm_lora_adapter", "vllm_lora_adapters"
SQL = {"name": "sql", "path": "/srv/sql"}
# What is wrong: module, options, the option that the sentence names, and a few of its words.
BAD = {
    "credentials": (ADAPTER, {**SQL, "base_url": "http://me:hunter2@node"}, "base_url", "user or password"),
    "control character": (ADAPTER, {**SQL, "name": "sql\x1b[2J"}, "name", "control or invisible"),
    "name of the base model": (ADAPTER, {**SQL, "name": "tiny"}, "name", "equals a base model"),
    "name of an alias": (ADAPTER, {**SQL, "name": "tiny-alias"}, "name", "equals a base model"),
    "base model as absent": (ADAPTER, {"name": "tiny", "state": "absent"}, "name", "equals a base model"),
    "unknown base model": (ADAPTER, {**SQL, "base_model": "huge"}, "base_model", "the node serves 'tiny'"),
    "no time": (ADAPTER, {**SQL, "timeout": 0}, "timeout", "more than 0"),
    "no time to load": (ADAPTER, {**SQL, "load_timeout": -1}, "load_timeout", "more than 0"),
    "no time to drain": (ADAPTER, {**SQL, "drain_timeout": "nan"}, "drain_timeout", "seconds up to 86400"),
    "negative retries": (ADAPTER, {**SQL, "retries": -1}, "retries", "negative"),
    "key of two lines": (ADAPTER, {**SQL, "api_key": "hunter2\nx"}, "api_key", "no HTTP header can carry"),
    "duplicates": (ADAPTERS, {"adapters": [SQL, {"name": "tickets", "state": "absent"}, SQL]}, "adapters", "'sql'"),
    "negative limit": (ADAPTERS, {"adapters": [SQL], "prune_limit": -1}, "prune_limit", "negative"),
    "relative in a list": (ADAPTERS, {"adapters": [SQL, {"name": "b", "path": "b"}]}, "path", "relative"),
    "base model in a list": (ADAPTERS, {"adapters": [SQL, {"name": "tiny", "state": "absent"}]}, "name", "base model"),
    "another base in a list": (
        ADAPTERS,
        {"adapters": [SQL, {"name": "b", "path": "/b", "base_model": "huge"}]},
        "base_model",
        "the node serves 'tiny'",
    ),
}


@pytest.mark.parametrize("options", [[], ["--check"]], ids=["for real", "check mode"])
def test_refused_before_anything_is_written(new_site: NewSite, options: list[str]) -> None:
    site = new_site(base_models=("tiny", "tiny-alias"))
    tasks = [
        {"name": case, f"sovereign.vllm.{module}": arguments, "ignore_errors": True}
        for case, (module, arguments, _option, _words) in BAD.items()
    ]
    run = site.run("\n".join(f"- {json.dumps(task)}" for task in tasks), options=options)
    assert site.watched.writes == []
    assert {case: run[case].status for case in BAD} == dict.fromkeys(BAD, "failed")
    for case, (_module, _arguments, option, words) in BAD.items():
        message = run[case].msg
        assert f"ption {option} " in message, case
        assert words in message, case
        assert message.isprintable() and message.endswith("."), case
        assert "hunter2" not in json.dumps(run[case].values), case
    assert "Traceback" not in run.output
