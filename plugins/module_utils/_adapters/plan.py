# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one decision: the steps after which a node serves the declared adapters. Every report shows this decision."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .._errors import UNREACHABLE_CODES, quoted, request_error
from .models import REHEARSAL_SUFFIX, Card, DeclaredAdapter, Observed, normalised, normalised_address, shown_name
from .pruning import Pruning
from .revocation import Revoked

DRIFTS = ("none", "missing", "path", "base_model", "unexpected", "server", "revoked")
#: The verdicts on a site, the worst first. A plan gives ``drifted``, ``undeclared`` or ``in_sync``.
VERDICTS = ("drifted", "unreachable", "failed", "not_declared", "undeclared", "in_sync")


def verdict_of(code: str) -> str:
    """Return the verdict on a site that could not be compared with its declaration, by the code of the error."""
    return "unreachable" if code in UNREACHABLE_CODES else "failed"


@dataclass(frozen=True)
class Entry:
    """The decision for one adapter: it is served as ``before`` and is to be served as ``after``; None if not at all.

    ``declared`` is False for an adapter that is only served; ``excluded`` is True if such an adapter may stay.
    """

    name: str
    action: str
    drift: str
    before: Card | None
    after: Card | None
    is_3d_lora_weight: bool = False
    base_model: str | None = None
    declared: bool = True
    excluded: bool = False

    @property
    def is_left_alone(self) -> bool:
        """True if the adapter is somebody else's: it may come and go."""
        return not self.declared and self.action == "none"

    @property
    def path(self) -> str:
        """The directory that is to be served; empty if none is."""
        return self.after.root if self.after else ""

    @property
    def keeps_path(self) -> bool:
        """True if it is served from the same path before and after."""
        if self.before is None or self.after is None:
            return False
        return normalised(self.before.root) == normalised(self.after.root)

    @property
    def rehearsal(self) -> Entry:
        """The entry that loads the new artifact under a temporary name."""
        return replace(self, name=f"{self.name}{REHEARSAL_SUFFIX}", before=None)

    @property
    def reversal(self) -> Entry:
        """The entry that puts the artifact back that was served before."""
        return replace(self, after=self.before)


@dataclass(frozen=True)
class Plan:
    """The decisions for one node.

    ``leftovers`` are the temporary names that an interrupted run left, to be removed. ``server`` has one sentence for each
    requirement that the server does not meet. ``revoked`` names the declared adapters whose artifact is revoked. If one of these
    two has an item, nothing is to be done.
    """

    observed: Observed
    entries: tuple[Entry, ...]
    leftovers: tuple[Card, ...] = ()
    server: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """``drifted``, ``undeclared`` or ``in_sync``: every declared adapter is served and no other."""
        if self.server or any(entry.drift != "none" for entry in self.entries):
            return "drifted"
        return "in_sync" if all(entry.declared or entry.excluded for entry in self.entries) else "undeclared"

    @property
    def plan_id(self) -> str:
        """The identity of the plan: equal if the server, its list and the decisions are equal.

        The order of the list and of the declaration, leftovers, the release and the strategy do not count.
        """
        observed = self.observed
        meaning = {
            "url": normalised_address(observed.url),
            "base_models": sorted(
                [sorted(base.names), base.root or "", base.max_model_len] for base in observed.base_models
            ),
            "adapters": sorted(_shape(card) for card in observed.adapters_of_users),
            "entries": sorted(_identity(entry) for entry in self.entries),
            "requirements_met": not self.server,
        }
        canonical = json.dumps(meaning, sort_keys=True, separators=(",", ":"))
        return f"sha256:{hashlib.sha256(canonical.encode('ascii')).hexdigest()}"

    @property
    def managed(self) -> tuple[Entry, ...]:
        """The entries that a run answers for."""
        return tuple(entry for entry in self.entries if not entry.is_left_alone)

    @property
    def changed(self) -> bool:
        return bool(self.leftovers) or any(entry.action != "none" for entry in self.entries)

    @property
    def leftover_names(self) -> list[str]:
        """The adapters of which an interrupted run left a rehearsal."""
        return [shown_name(leftover.name) for leftover in self.leftovers]

    @property
    def reloads(self) -> tuple[Entry, ...]:
        """The entries that put other weights under a name that is being served."""
        return tuple(entry for entry in self.entries if entry.action in ("reload", "replace"))

    @property
    def loads(self) -> bool:
        """True if an adapter is to be loaded."""
        return any(entry.action in ("load", "reload", "replace") for entry in self.entries)

    @property
    def summary(self) -> dict:
        """The number of adapters by drift."""
        return {drift: sum(entry.drift == drift for entry in self.entries) for drift in DRIFTS}


def plan(
    declared: Sequence[DeclaredAdapter],
    observed: Observed,
    pruning: Pruning | None = None,
    server: Sequence[str] = (),
    revoked: Revoked | None = None,
) -> Plan:
    """Decide what is to be done on the node.

    :param declared: each name once.
    :param pruning: None if the declaration says nothing about other adapters, so that the plan has no entry for them.
    :param server: one sentence for each requirement that the server does not meet.
    :param revoked: what is served from these digests is taken away, whether it is declared, excluded or somebody else's.
    :raises VllmError: ``name_conflict`` or ``base_model_mismatch``, or as :meth:`Pruning.select`.
    """
    if server:
        return _nothing_to_do(declared, observed, pruning, server, revoked)
    entries = [_decide(adapter, observed, revoked) for adapter in declared]
    names = {adapter.name for adapter in declared}
    if pruning:
        others = _undeclared(observed, names)
        banned = [card for card in others if _is_served_from(revoked, card)]
        entries += [_unload(card, "revoked") for card in banned]
        others = [card for card in others if card not in banned]
        to_prune = pruning.select(others, observed.url)
        entries += [_unload(card, "unexpected") if card.name in to_prune else _leave(card, pruning) for card in others]
    leftovers = (pruning or Pruning()).select_leftovers(observed, names)
    leftovers += tuple(one for one in observed.rehearsals if _is_served_from(revoked, one) and one not in leftovers)
    return Plan(observed, tuple(entries), leftovers, (), tuple(a.name for a in declared if _is_banned(a, revoked)))


def _nothing_to_do(
    declared: Sequence[DeclaredAdapter],
    observed: Observed,
    pruning: Pruning | None,
    server: Sequence[str],
    revoked: Revoked | None,
) -> Plan:
    """Nothing is written to a server that is another one than required."""
    entries = []
    for adapter in declared:
        card = observed.adapter(adapter.name)
        entries.append(Entry(adapter.name, "none", "server", card, card, adapter.is_3d_lora_weight, adapter.base_model))
    if pruning:
        for card in _undeclared(observed, {adapter.name for adapter in declared}):
            entry = _leave(card, pruning)
            entries.append(replace(entry, drift="revoked", excluded=False) if _is_served_from(revoked, card) else entry)
    return Plan(observed, tuple(entries), (), tuple(server))


def _is_banned(adapter: DeclaredAdapter, revoked: Revoked | None) -> bool:
    return bool(revoked and adapter.wanted and revoked.covers(adapter.path))


def _is_served_from(revoked: Revoked | None, card: Card | None) -> bool:
    return bool(revoked and card and revoked.covers(card.root))


def _undeclared(observed: Observed, declared: set[str]) -> list[Card]:
    """A name that a base model has too is left out: the user did not load it."""
    found: dict[str, Card] = {}
    for card in observed.adapters_of_users:
        if card.name not in declared and not observed.base_model(card.name):
            found.setdefault(card.name, card)
    return list(found.values())


def _unload(card: Card, drift: str) -> Entry:
    return Entry(card.name, "unload", drift, card, None, declared=False)


def _leave(card: Card, pruning: Pruning) -> Entry:
    return Entry(card.name, "none", "none", card, card, declared=False, excluded=pruning.excludes(card.name))


def _decide(adapter: DeclaredAdapter, observed: Observed, revoked: Revoked | None) -> Entry:
    _refuse_impossible(adapter, observed)
    before = observed.adapter(adapter.name)
    after = _wanted(adapter, observed)
    action, drift = _difference(adapter, before, after, observed)
    if _is_banned(adapter, revoked):
        action, drift = "none", "revoked"
    elif _is_served_from(revoked, before):
        drift = "revoked"
    if action == "none":
        after = before
    return Entry(adapter.name, action, drift, before, after, adapter.is_3d_lora_weight, adapter.base_model)


def _wanted(adapter: DeclaredAdapter, observed: Observed) -> Card | None:
    """The card that the node is expected to list: vLLM names the first alias of the base model as the parent."""
    if not adapter.wanted:
        return None
    base_model = observed.base_model(adapter.base_model) or observed.base_models[0]
    return Card(adapter.name, adapter.path or "", base_model.id)


def _difference(
    adapter: DeclaredAdapter, before: Card | None, after: Card | None, observed: Observed
) -> tuple[str, str]:
    """Return action and drift."""
    if after is None:
        return ("unload", "unexpected") if before else ("none", "none")
    if before is None:
        return "load", "missing"
    if adapter.base_model and observed.base_model(before.parent) != observed.base_model(adapter.base_model):
        return "replace", "base_model"
    if not observed.serves(adapter.name, after.root):
        return "reload", "path"
    return ("reload" if adapter.state == "reloaded" else "none"), "none"


def _refuse_impossible(adapter: DeclaredAdapter, observed: Observed) -> None:
    attempt = f"manage adapter {quoted(adapter.name)}"
    if observed.base_model(adapter.name):
        raise request_error(
            "name_conflict",
            attempt,
            observed.url,
            "option name equals a base model that is served there",
            "give the adapter a name of its own, since old servers would let it shadow the base model",
        )
    if adapter.base_model and not observed.base_model(adapter.base_model):
        served = ", ".join(quoted(name) for base in observed.base_models for name in base.names)
        raise request_error(
            "base_model_mismatch",
            attempt,
            observed.url,
            f"option base_model is {quoted(adapter.base_model)}, but the node serves {served}",
            "name a base model that the node serves, or address another node",
        )


def _shape(card: Card | None) -> list:
    return [card.name, card.root, card.parent or ""] if card else []


def _identity(entry: Entry) -> list:
    """The parent of an adapter that is to be loaded depends on the order of the list, and is left out."""
    decision = [entry.name, entry.action, entry.drift, entry.declared, entry.excluded]
    return [*decision, _shape(entry.before), entry.path, entry.base_model or "", entry.is_3d_lora_weight]
