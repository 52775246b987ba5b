# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one decision: what is declared and what is served give action, drift and what is pruned."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.models import (
    REHEARSAL_SUFFIX,
    BaseModel,
    Card,
    DeclaredAdapter,
    Observed,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import DRIFTS, plan
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


@pytest.mark.parametrize(
    ("declared", "served", "decided"),
    [
        ({}, SQL, ("none", "weights")),
        ({"state": "reloaded"}, SQL, ("reload", "weights")),
        # Another difference is healed first.
        ({"path": "/b/sql"}, SQL, ("reload", "path")),
        ({"base_model": "other"}, SQL, ("replace", "base_model")),
        ({"state": "absent"}, SQL, ("unload", "unexpected")),
        ({}, None, ("load", "missing")),
    ],
)
def test_other_weights_are_a_difference_of_what_is_served_as_declared(
    declared: dict, served: Card | None, decided: tuple
) -> None:
    adapter = DeclaredAdapter(**{"name": "sql", "path": "/a/sql", **declared})
    seen = observed(*([served] if served else []), Card("guest", "/a/guest", "tiny"))
    made = plan([adapter], seen, Pruning(), other_weights=["sql", "guest"])
    entry, guest = made.entries
    assert (entry.action, entry.drift, guest.drift) == (*decided, "none")
    assert made.verdict == "drifted"
    assert made.summary[decided[1]] == 1
    # A converge carries out the same plan, and has measured nothing before it.
    assert made.plan_id == plan([adapter], seen, Pruning()).plan_id


def test_weights_of_another_server_than_required_do_not_count() -> None:
    made = plan([DeclaredAdapter("sql", "/a/sql")], observed(SQL), Pruning(), ("It differs.",), other_weights=["sql"])
    assert made.summary == {**dict.fromkeys(DRIFTS, 0), "server": 1}


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
        left = {entry.name: (entry.drift, entry.excluded) for entry in made.entries if entry.is_left_alone}
        assert left == {name: ("none", True) for name in ("tenant-a", "Tenant-b") if name not in pruned}
        assert made.summary == {**dict.fromkeys(DRIFTS, 0), "none": 1 + len(left), "unexpected": len(pruned)}
        assert made.verdict == ("drifted" if pruned else "in_sync")

    @pytest.mark.parametrize(
        ("exclude", "verdict"), [([], "undeclared"), (["tenant-*"], "undeclared"), (["?enant-?"], "in_sync")]
    )
    def test_shows_others_and_leaves_them_without_being_told_to(self, exclude: list, verdict: str) -> None:
        made = plan(self.declared, self.served, Pruning(prune_exclude=exclude))
        assert made.verdict == verdict
        assert [(entry.name, entry.declared) for entry in made.entries] == [
            ("sql", True),
            ("tenant-a", False),
            ("Tenant-b", False),
        ]
        assert {entry.drift for entry in made.entries} == {entry.action for entry in made.entries} == {"none"}
        assert [entry.name for entry in made.managed] == ["sql"]
        assert [left.name for left in made.leftovers] == ["sql" + REHEARSAL_SUFFIX]

    def test_a_declaration_of_one_adapter_says_nothing_about_others(self) -> None:
        made = plan(self.declared, self.served)
        assert [entry.name for entry in made.entries] == ["sql"]
        assert made.verdict == "in_sync"

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


class TestServerThatDiffers:
    """Nothing is written to a server that is another one than required, so that no entry has an action."""

    server = ("The declaration requires another server.",)
    served = observed(SQL, Card("old", "/a/old", "tiny"), Card("sql" + REHEARSAL_SUFFIX, "/a/new", "tiny"))

    @pytest.mark.parametrize("prune", [True, False])
    def test_nothing_is_to_be_done(self, prune: bool) -> None:
        declared = [
            DeclaredAdapter("sql", "/b/sql"),
            DeclaredAdapter("new", "/a/new", base_model="not served"),
            DeclaredAdapter("tiny", "/a/tiny"),
        ]
        made = plan(declared, self.served, Pruning(prune, prune_limit=0), self.server)
        assert (made.verdict, made.changed, made.leftovers, made.server) == ("drifted", False, (), self.server)
        assert [(entry.name, entry.action, entry.drift, entry.before == entry.after) for entry in made.entries] == [
            ("sql", "none", "server", True),
            ("new", "none", "server", True),
            ("tiny", "none", "server", True),
            ("old", "none", "none", True),
        ]
        assert made.summary == {**dict.fromkeys(DRIFTS, 0), "server": 3, "none": 1}

    def test_an_empty_declaration_drifts_as_well(self) -> None:
        assert plan([], observed(), Pruning(), self.server).verdict == "drifted"


class TestIdentity:
    declared = (DeclaredAdapter("sql", "/a/sql"), DeclaredAdapter("new", "/a/new"))

    def test_is_of_the_same_server_however_it_is_written(self) -> None:
        ids = {
            plan(self.declared, replace(observed(SQL), url=url)).plan_id
            for url in ("http://node:80", "http://NODE/", "http://node", "http://node/v1/", "http://node:80/v1")
        }
        assert len(ids) == 1
        others = ("http://node:8000", "https://node", "http://node/a")
        ids |= {plan(self.declared, replace(observed(SQL), url=url)).plan_id for url in others}
        assert len(ids) == 4

    @pytest.mark.parametrize(
        ("declared", "seen", "pruning"),
        [
            (declared[:1], observed(SQL), Pruning()),
            ((replace(declared[0], path="/b"), declared[1]), observed(SQL), Pruning()),
            ((replace(declared[0], state="reloaded"), declared[1]), observed(SQL), Pruning()),
            ((declared[0], replace(declared[1], is_3d_lora_weight=True)), observed(SQL), Pruning()),
            ((declared[0], replace(declared[1], base_model="other")), observed(SQL), Pruning()),
            (declared, observed(), Pruning()),
            (declared, observed(SQL, Card("old", "/a/old", "tiny")), Pruning()),
            (declared, observed(SQL, Card("old", "/a/old", "tiny")), Pruning(True)),
            (declared, observed(SQL, Card("old", "/a/old", "tiny")), Pruning(True, ["old"])),
            (declared, observed(Card("sql", "/a/sql", "other")), Pruning()),
            (declared, replace(observed(SQL), base_models=(TINY,)), Pruning()),
            (declared, replace(observed(SQL), base_models=(TINY, replace(OTHER, root="/models/new"))), Pruning()),
        ],
    )
    def test_is_another_one_for_another_decision(self, declared: tuple, seen: Observed, pruning: Pruning) -> None:
        made = plan(declared, seen, pruning).plan_id
        assert made != plan(self.declared, observed(SQL), Pruning()).plan_id
        assert made != plan(declared, seen, pruning, ("It differs.",)).plan_id

    def test_leftovers_and_the_front_end_do_not_count(self) -> None:
        seen = observed(SQL, Card("sql" + REHEARSAL_SUFFIX, "/a/new", "tiny"))
        made = plan(self.declared, replace(seen, rust_front_end=True), Pruning())
        assert made.plan_id == plan(self.declared, observed(SQL), Pruning()).plan_id
