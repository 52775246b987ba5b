# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one decision: what is declared and what is served give action, drift and what is pruned."""

from __future__ import annotations

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.models import (
    REHEARSAL_SUFFIX,
    BaseModel,
    Card,
    DeclaredAdapter,
    Observed,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import plan
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.pruning import Pruning
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError

TINY = BaseModel("tiny", "/models/tiny", 256, ("tiny-alias",))
OTHER = BaseModel("other", "/models/other", 512)
SQL = Card("sql", "/a/sql", "tiny")


def observed(*adapters: Card) -> Observed:
    return Observed("http://node:8000", (TINY, OTHER), adapters)


@pytest.mark.parametrize(
    ("declared", "served", "decided"),
    [
        # what is declared of sql, what is served as sql, action and drift
        ({}, None, ("load", "missing")),
        ({}, SQL, ("none", "none")),
        ({"path": "/a/sql/"}, SQL, ("none", "none")),
        ({"path": "/a//b/../sql"}, SQL, ("none", "none")),
        ({"path": "//a/sql"}, SQL, ("none", "none")),
        ({}, Card("sql", "/a/sql/", "tiny"), ("none", "none")),
        ({"path": "/a/SQL"}, SQL, ("reload", "path")),
        ({"path": "/b/sql"}, SQL, ("reload", "path")),
        ({"path": "org/sql"}, Card("sql", "org/sql", "tiny"), ("none", "none")),
        ({}, Card("sql", "", "tiny"), ("reload", "path")),
        ({"base_model": "tiny"}, SQL, ("none", "none")),
        ({"base_model": "tiny-alias"}, SQL, ("none", "none")),
        ({"base_model": "tiny"}, Card("sql", "/a/sql", "tiny-alias"), ("none", "none")),
        ({"base_model": "other"}, SQL, ("replace", "base_model")),
        ({"base_model": "other", "path": "/b"}, SQL, ("replace", "base_model")),
        ({"base_model": "tiny"}, Card("sql", "/a/sql", "gone"), ("replace", "base_model")),
        ({}, Card("sql", "/a/sql", "gone"), ("none", "none")),
        # It cannot be read back, so it is never drift.
        ({"is_3d_lora_weight": True}, SQL, ("none", "none")),
        ({"state": "reloaded"}, SQL, ("reload", "none")),
        ({"state": "reloaded", "path": "/b/sql"}, SQL, ("reload", "path")),
        ({"state": "reloaded"}, None, ("load", "missing")),
        ({"state": "absent"}, SQL, ("unload", "unexpected")),
        ({"state": "absent"}, None, ("none", "none")),
        ({"state": "absent", "path": None}, SQL, ("unload", "unexpected")),
    ],
)
def test_action_and_drift(declared: dict, served: Card, decided: tuple) -> None:
    adapter = DeclaredAdapter(**{"name": "sql", "path": "/a/sql", **declared})
    made = plan([adapter], observed(*([served] if served else [])))
    (entry,) = made.entries
    assert (entry.action, entry.drift) == decided
    assert made.changed == (decided[0] != "none")
    assert made.reloads == ((entry,) if entry.action in ("reload", "replace") else ())
    assert made.summary[decided[1]] == sum(made.summary.values()) == 1
    assert entry.before == served
    assert (entry.after is None) == (adapter.state == "absent")
    if entry.action == "none":
        assert entry.after == served
    elif entry.after:
        # The path is sent as written; the parent is the first alias.
        assert entry.after == Card("sql", adapter.path, (observed().base_model(adapter.base_model) or TINY).id)


def test_the_first_of_two_cards_with_one_name_counts() -> None:
    """0.9 and earlier can list a name twice when two clients load it at once."""
    twice = observed(SQL, Card("sql", "/b/sql", "tiny"))
    assert plan([DeclaredAdapter("sql", "/a/sql")], twice).entries[0].action == "none"
    assert [entry.name for entry in plan([], twice, Pruning(True)).entries] == ["sql"]


@pytest.mark.parametrize("state", ["present", "absent", "reloaded"])
@pytest.mark.parametrize("name", ["tiny", "tiny-alias", "other"])
def test_name_of_a_base_model_is_refused_for_every_state(name: str, state: str) -> None:
    # Up to 0.30 the server accepts it, and lists the name twice.
    shadowing = observed(Card(name, "/a/sql", "tiny"))
    with pytest.raises(VllmError) as refused:
        plan([DeclaredAdapter(name, "/a/sql", state=state)], shadowing)
    assert refused.value.code == "name_conflict"


@pytest.mark.parametrize("state", ["present", "absent", "reloaded"])
def test_base_model_that_is_not_served_is_refused(state: str) -> None:
    with pytest.raises(VllmError) as refused:
        plan([DeclaredAdapter("sql", "/a/sql", base_model="huge", state=state)], observed())
    assert refused.value.code == "base_model_mismatch"
    assert "the node serves 'tiny', 'tiny-alias', 'other'" in refused.value.message


class TestPrune:
    served = observed(
        SQL,
        Card("tenant-a", "/t/a", "tiny"),
        Card("Tenant-b", "/t/b", "tiny"),
        Card("tiny", "/a/tiny", "tiny"),  # shadows the base model, and is not ours to unload
        Card("sql" + REHEARSAL_SUFFIX, "/a/new", "tiny"),
        Card("gone" + REHEARSAL_SUFFIX, "/a/new", "tiny"),
    )
    declared = (DeclaredAdapter("sql", "/a/sql"),)

    @pytest.mark.parametrize(
        ("exclude", "pruned"),
        [
            ([], ["tenant-a", "Tenant-b"]),
            (["tenant-*"], ["Tenant-b"]),
            (["?enant-?"], []),
            (["*"], []),
            (["tenant"], ["tenant-a", "Tenant-b"]),
            (["[Tt]enant-a"], ["Tenant-b"]),
        ],
    )
    def test_what_is_served_but_not_declared(self, exclude: list, pruned: list) -> None:
        made = plan(self.declared, self.served, Pruning(True, prune_exclude=exclude))
        assert [entry.name for entry in made.entries if entry.action == "unload"] == pruned
        assert made.summary == {"none": 1, "missing": 0, "path": 0, "base_model": 0, "unexpected": len(pruned)}

    def test_nothing_without_being_told_to(self) -> None:
        made = plan(self.declared, self.served)
        assert [entry.name for entry in made.entries] == ["sql"]

    def test_limit(self) -> None:
        assert plan(self.declared, self.served, Pruning(True, prune_limit=2)).changed
        with pytest.raises(VllmError) as refused:
            plan(self.declared, self.served, Pruning(True, prune_limit=1))
        assert refused.value.code == "prune_limit"
        assert "'tenant-a', 'Tenant-b'" in refused.value.message
        # What would go by a declaration of its own is not pruned.
        absent = [DeclaredAdapter(name, state="absent") for name in ("tenant-a", "Tenant-b")]
        assert plan([*self.declared, *absent], self.served, Pruning(True, prune_limit=0)).changed

    def test_leftovers_of_declared_names_go_and_with_prune_all(self) -> None:
        own, foreign = (f"{name}{REHEARSAL_SUFFIX}" for name in ("sql", "gone"))
        assert [left.name for left in plan(self.declared, self.served).leftovers] == [own]
        assert [left.name for left in plan(self.declared, self.served, Pruning(True)).leftovers] == [own, foreign]
        spared = plan(self.declared, self.served, Pruning(True, prune_exclude=["gone", "sql"])).leftovers
        assert [left.name for left in spared] == [own]
        assert plan(self.declared, self.served).changed
        assert not plan([DeclaredAdapter("tenant-a", "/t/a")], self.served).changed
