# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback restores what was served, unloads what the rollout loaded, and finds the names of then."""

from __future__ import annotations

from typing import Any

import pytest

lora_rollback = pytest.importorskip("ansible_collections.sovereign.vllm.plugins.filter.lora_rollback").lora_rollback

FORMER = [{"name": "sql-0123abcd", "root": "/srv/old"}, {"name": "own", "root": "hub/own"}]
NOW = [{"name": name, "root": "/srv/new"} for name in ("own", "sql-4567cdef", "of-others")]


def declaration(**served_names: str) -> dict[str, Any]:
    return {
        "adapters": [{"name": name} for name in (*served_names.values(), "not-loaded")],
        "served_names": served_names,
        "superseded": [{"name": "sql-0123abcd", "state": "absent"}],
    }


def test_only_adapters_of_the_rollout_are_unloaded() -> None:
    found = lora_rollback(FORMER, NOW, declaration(sql="sql-4567cdef", own="own"))
    assert found["adapters"] == [
        {"name": "sql-0123abcd", "path": "/srv/old", "allow_hub": True},
        {"name": "own", "path": "hub/own", "allow_hub": True},
    ]
    assert found["to_unload"] == [{"name": "sql-4567cdef", "state": "absent"}]


def test_a_rollout_that_declared_nothing_unloads_nothing() -> None:
    found = lora_rollback(FORMER, NOW, {})
    assert len(found["adapters"]) == 2 and found["to_unload"] == [] and found["served_names"] == {}


def test_names_are_those_of_then() -> None:
    told = declaration(sql="sql-4567cdef", own="own", new="new-4567cdef")
    assert lora_rollback(FORMER, NOW, told)["served_names"] == {"sql": "sql-0123abcd", "own": "own"}
    # The version may also be part of the declared name.
    told = declaration(**{"sql-0123abcd": "sql-0123abcd-4567cdef"})
    assert lora_rollback(FORMER, NOW, told)["served_names"] == {"sql-0123abcd": "sql-0123abcd"}


@pytest.mark.parametrize(
    ("declared", "is_3d"),
    [("sql", True), ("sql-0123abcd", True), ("s.l", False), ("sql-0123", False)],
)
def test_three_dimensions_are_taken_from_the_declaration(declared: str, is_3d: bool) -> None:
    adapters = [{"name": declared, "is_3d_lora_weight": True}, {"name": "own", "is_3d_lora_weight": False}]
    found = lora_rollback(FORMER, NOW, {}, adapters)["adapters"]
    assert [adapter.get("is_3d_lora_weight", False) for adapter in found] == [is_3d, False]


def test_what_is_revoked_is_not_restored() -> None:
    digest = "sha256:" + "ab" * 32
    former = [*FORMER, {"name": "sql", "root": f"/srv/lora/sql/{'ab' * 6}"}]
    found = lora_rollback(former, NOW, {}, [], [digest])
    assert [adapter["name"] for adapter in found["adapters"]] == ["sql-0123abcd", "own"]
