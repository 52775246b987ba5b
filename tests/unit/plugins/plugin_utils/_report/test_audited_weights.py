# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which fingerprints an audit compares, and what it concludes from the answers."""

from __future__ import annotations

import sys
from typing import Any

import pytest

if sys.version_info < (3, 10):
    pytest.skip("The controller has Python 3.10 or later.", allow_module_level=True)

from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.audited_weights import AuditedWeights, comparable


def fingerprint(path: str = "/a/sql", version: str = "0.33.0") -> dict[str, Any]:
    readings = {"logprobs": [{"a": -1.0}], "cached_logprobs": [{"a": -1.0}]}
    origin = {"path": path, "base_model": "tiny", "root": "tiny", "version": version}
    return {**origin, "route": "/v1/completions", "prompts": ["SELECT"], **readings}


def entry(name: str, drift: str = "none", declared: bool = True, is_served: bool = True) -> dict[str, Any]:
    before = {"path": f"/a/{name}", "root": f"/a/{name}/", "parent": "tiny"}
    return {"name": name, "drift": drift, "declared": declared, "before": before if is_served else None}


def test_only_what_is_served_as_declared_is_compared() -> None:
    entries = [
        entry("sql"),
        entry("drifted", "path"),
        entry("guest", declared=False),
        entry("absent", is_served=False),
        entry("gone"),
        entry("new"),
        entry("moved"),
    ]
    names = ("sql", "drifted", "guest", "absent", "gone")
    recorded = {name: fingerprint(f"/a//{name}/") for name in names} | {"moved": fingerprint("/a/old")}
    found = comparable(entries, recorded, ["gone"])
    assert list(found.expected) == ["sql"]
    assert found.notes == [
        "The weights of 'new' were not compared, since no fingerprint was recorded.",
        "The weights of 'moved' were not compared, since their fingerprints were recorded from other paths.",
    ]


def error(code: str) -> dict[str, Any]:
    return {"code": code, "msg": f"It is {code}."}


def test_answers_are_told_apart() -> None:
    names = ("sql", "right", "stale", "silent", "upgraded")
    weights = AuditedWeights({name: fingerprint() for name in names})
    weights.read_answers(
        {
            "errors": {
                "sql": error("other_weights"),
                "stale": error("stale_prefix_cache"),
                "silent": error("server_error"),
            },
            "fingerprints": {"right": fingerprint(), "upgraded": fingerprint(version="0.34.0")},
            "warnings": ["It has no log-probabilities."],
        }
    )
    assert weights.differing == ["sql"]
    assert [finding["id"] for finding in weights.findings] == ["stale_prefix_cache", "adapter_does_not_answer"]
    assert weights.notes[0] == "It is other_weights."
    assert "'upgraded' was recorded with another release or base model" in weights.notes[1]
    assert weights.warnings == ["It has no log-probabilities."]
