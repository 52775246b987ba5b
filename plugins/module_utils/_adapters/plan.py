# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one decision: the steps after which a node serves the declared adapters. Every report shows this decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .._errors import quoted, request_error
from .models import REHEARSAL_SUFFIX, Card, DeclaredAdapter, Observed, normalised, shown_name
from .pruning import NO_PRUNING, Pruning

DRIFTS = ("none", "missing", "path", "base_model", "unexpected")


@dataclass(frozen=True)
class Entry:
    """The decision for one adapter: it is served as ``before`` and is to be served as ``after``; None if not at all."""

    name: str
    action: str
    drift: str
    before: Card | None
    after: Card | None
    is_3d_lora_weight: bool = False
    base_model: str | None = None

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
    """The decisions for one node; ``leftovers`` are the temporary names that an interrupted run left, to be removed."""

    observed: Observed
    entries: tuple[Entry, ...]
    leftovers: tuple[Card, ...] = ()

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
    pruning: Pruning = NO_PRUNING,
) -> Plan:
    """Decide what is to be done on the node.

    :param declared: each name once.
    :raises VllmError: ``name_conflict`` or ``base_model_mismatch``, or as :meth:`Pruning.select`.
    """
    entries = [_decide(adapter, observed) for adapter in declared]
    names = {adapter.name for adapter in declared}
    entries += [Entry(card.name, "unload", "unexpected", card, None) for card in pruning.select(observed, names)]
    return Plan(observed, tuple(entries), pruning.select_leftovers(observed, names))


def _decide(adapter: DeclaredAdapter, observed: Observed) -> Entry:
    _refuse_impossible(adapter, observed)
    before = observed.adapter(adapter.name)
    after = _wanted(adapter, observed)
    action, drift = _difference(adapter, before, after, observed)
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
