# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is served from a revoked digest goes, whatever else is declared, excluded or limited."""

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
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import plan
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.pruning import Pruning
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.revocation import Revoked, read_revoked
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError

DIGITS = "0123456789ab" + "c" * 52
REVOKED = Revoked(frozenset([f"sha256:{DIGITS}"]))
BAD, GOOD = "/srv/lora/sql/0123456789ab", "/srv/lora/sql/ffffffffffff"


def observed(*cards: Card) -> Observed:
    return Observed("http://node:8000", (BaseModel("tiny", "/models/tiny", 256),), cards)


def served(name: str, root: str) -> Card:
    return Card(name, root, "tiny")


@pytest.mark.parametrize(
    ("path", "covered"),
    [
        (BAD, True),
        (f"{BAD}/", True),
        (f"/adapters//sql/./{DIGITS[:12]}", True),
        (f"/media/usb/artifacts/{DIGITS}", True),
        (f"/srv/lora/{DIGITS[:12]}/inner", True),
        (f"{BAD}0", False),
        ("/srv/lora/sql/0123456789a", False),
        (f"/srv/lora/sql-{DIGITS[:12]}", False),
        (GOOD, False),
        ("", False),
        (None, False),
    ],
)
def test_paths_of_a_revoked_digest(path: str, covered: bool) -> None:
    assert REVOKED.covers(path) is covered
    assert Revoked().covers(path) is False


@pytest.mark.parametrize(
    ("declared", "card", "decided"),
    [
        # What is declared of sql, what is served as sql; then action, drift, and whether the declaration is refused.
        (GOOD, BAD, ("reload", "revoked", False)),
        (GOOD, GOOD, ("none", "none", False)),
        (GOOD, None, ("load", "missing", False)),
        (BAD, BAD, ("none", "revoked", True)),
        (BAD, GOOD, ("none", "revoked", True)),
        (BAD, None, ("none", "revoked", True)),
        (None, BAD, ("unload", "revoked", False)),
        (None, GOOD, ("unload", "unexpected", False)),
    ],
)
def test_declared_adapters(declared: str, card: str, decided: tuple) -> None:
    adapter = DeclaredAdapter("sql", declared, state="present" if declared else "absent")
    made = plan([adapter], observed(*([served("sql", card)] if card else [])), Pruning(), (), REVOKED)
    (entry,) = made.entries
    assert (entry.action, entry.drift, bool(made.revoked)) == decided
    assert made.verdict == ("in_sync" if decided[1] == "none" else "drifted")
    assert made.plan_id != replace(made, observed=observed(served("other", "/a"))).plan_id


def test_other_adapters() -> None:
    seen = observed(
        served("copy", BAD),
        served("other", GOOD),
        served("copy" + REHEARSAL_SUFFIX, BAD),
        served("other" + REHEARSAL_SUFFIX, GOOD),
    )
    for pruning in (Pruning(), Pruning(prune_exclude=["*"]), Pruning(True, ["other"], 0)):
        made = plan([], seen, pruning, (), REVOKED)
        assert [(entry.name, entry.action, entry.drift) for entry in made.entries] == [
            ("copy", "unload", "revoked"),
            ("other", "none", "none"),
        ]
        assert made.leftover_names == ["copy"]
    # Nothing is written to another server than required, and the drift is shown.
    made = plan([], seen, Pruning(), ["It is another server."], REVOKED)
    assert [(entry.name, entry.action, entry.drift) for entry in made.entries] == [
        ("copy", "none", "revoked"),
        ("other", "none", "none"),
    ]
    assert made.leftovers == ()


def test_a_declaration_about_one_adapter_leaves_the_others() -> None:
    made = plan([DeclaredAdapter("sql", GOOD)], observed(served("copy", BAD)), None, (), REVOKED)
    assert [entry.name for entry in made.entries] == ["sql"]


@pytest.mark.parametrize("written", ["latest", ["sha256:12"], [1], {"a": 1}])
def test_a_list_that_cannot_be_read_is_refused(written: object) -> None:
    with pytest.raises(VllmError, match="lora_revoked") as raised:
        read_revoked({"lora_revoked": written}, "lora_")
    assert raised.value.code == "invalid_request"


def test_digests_in_any_form_of_a_list() -> None:
    upper = f"sha256:{DIGITS.upper()}"
    for written in ([upper], upper, f'["{upper}"]'):
        assert read_revoked({"revoked": written}) == REVOKED
    assert read_revoked({}) == read_revoked({"revoked": []}) == Revoked()
