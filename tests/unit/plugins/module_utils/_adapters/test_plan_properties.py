# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every plan: carried out, nothing is left to do, whatever is declared, served, pruned and excluded."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.models import (
    REHEARSAL_SUFFIX,
    BaseModel,
    Card,
    DeclaredAdapter,
    Observed,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import Plan, plan
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.pruning import Pruning
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from hypothesis import given
from hypothesis import strategies as some

BASE_MODELS = (BaseModel("tiny", "/tiny", 256, ("alias",)), BaseModel("other", "/other", 256))
NAMES = some.sampled_from(["a", "b", "tenant-a", "tenant-b"])
PATHS = some.sampled_from(["/a", "/b", "/b/", "/c/../b"])
DECLARED = some.lists(
    some.builds(
        DeclaredAdapter,
        name=NAMES,
        path=PATHS,
        base_model=some.sampled_from([None, "tiny", "alias", "other"]),
        state=some.sampled_from(["present", "absent"]),
    ),
    unique_by=lambda adapter: adapter.name,
)
# Somebody else's names, leftovers of killed runs, and a name that old servers let shadow a base model.
SERVED_NAMES = NAMES | some.sampled_from(["a" + REHEARSAL_SUFFIX, "gone" + REHEARSAL_SUFFIX, "tiny"])
SERVED = some.lists(
    some.builds(Card, name=SERVED_NAMES, root=PATHS, parent=some.sampled_from(["tiny", "other", "gone"])),
    unique_by=lambda adapter: adapter.name,
)
GLOBS = some.lists(some.sampled_from(["*", "a", "tenant-*", "?", "[ab]", "nobody"]), max_size=2)
PRUNING = some.fixed_dictionaries({"prune": some.booleans(), "prune_exclude": GLOBS})


def observed(served: list) -> Observed:
    return Observed("http://node", BASE_MODELS, tuple(served))


def carried_out(made: Plan) -> Observed:
    """What a server serves that does as it is told: of what was planned nothing but actions counts."""
    served = {adapter.name: adapter for adapter in made.observed.adapters}
    for leftover in made.leftovers:
        del served[leftover.name]
    for entry in made.entries:
        if entry.action != "none":
            served.pop(entry.name, None)
        if entry.action in ("load", "reload", "replace"):
            served[entry.name] = entry.after
    return observed(list(served.values()))


@given(DECLARED, SERVED, PRUNING)
def test_what_was_carried_out_is_as_declared(declared: list, served: list, pruning: dict) -> None:
    first = plan(declared, observed(served), Pruning(**pruning))
    after = carried_out(first)
    second = plan(declared, after, Pruning(**pruning))
    assert not second.changed
    assert second.verdict in ("in_sync", "undeclared")
    assert first.changed or second.plan_id == first.plan_id
    assert second.verdict == "in_sync" or not pruning["prune"]
    assert first.changed == (set(after.adapters) != set(served))
    for adapter in declared:
        assert (after.adapter(adapter.name) is not None) == (adapter.state == "present")
        assert adapter.state == "absent" or after.serves(adapter.name, adapter.path)


@given(DECLARED, SERVED, PRUNING)
def test_prune_takes_what_is_neither_declared_nor_excluded_and_nothing_else(
    declared: list, served: list, pruning: dict
) -> None:
    made = plan(declared, observed(served), Pruning(**pruning))
    names = {adapter.name for adapter in declared}
    excluded = {a.name for a in served if any(fnmatchcase(a.name, glob) for glob in pruning["prune_exclude"])}
    untouchable = names | excluded | {"tiny"}
    users = {adapter.name for adapter in served if not adapter.name.endswith(REHEARSAL_SUFFIX)}
    assert {entry.name for entry in made.entries if entry.declared} == names
    assert {entry.name for entry in made.entries} == names | (users - {"tiny"})
    assert {entry.name for entry in made.entries if entry.excluded} == (users & excluded) - names - {"tiny"}
    pruned = {entry.name for entry in made.entries if not entry.declared and entry.action == "unload"}
    assert pruned == (users - untouchable if pruning["prune"] else set())
    # Whoever is named by a glob and by a declaration is declared.
    assert {entry.name for entry in made.entries} >= names
    assert len(made.entries) == len({entry.name for entry in made.entries})
    assert sum(made.summary.values()) == len(made.entries)


@given(some.data(), DECLARED, SERVED, PRUNING)
def test_order_does_not_matter(data: some.DataObject, declared: list, served: list, pruning: dict) -> None:
    made = plan(declared, observed(served), Pruning(**pruning))
    other = plan(
        data.draw(some.permutations(declared)), observed(data.draw(some.permutations(served))), Pruning(**pruning)
    )
    assert set(made.entries) == set(other.entries)
    assert set(made.leftovers) == set(other.leftovers)
    assert (made.plan_id, made.verdict) == (other.plan_id, other.verdict)
    assert (made.changed, made.summary) == (other.changed, other.summary)
    assert set(carried_out(made).adapters) == set(carried_out(other).adapters)


@given(DECLARED, SERVED, GLOBS, some.integers(min_value=0, max_value=5))
def test_limit_refuses_all_or_changes_nothing_of_the_plan(
    declared: list, served: list, globs: list, limit: int
) -> None:
    made = plan(declared, observed(served), Pruning(True, globs))
    if sum(entry.action == "unload" and not entry.declared for entry in made.entries) <= limit:
        assert plan(declared, observed(served), Pruning(True, globs, limit)) == made
    else:
        with pytest.raises(VllmError) as refused:
            plan(declared, observed(served), Pruning(True, globs, limit))
        assert refused.value.code == "prune_limit"
