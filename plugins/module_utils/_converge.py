# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing one node to what is declared: observe, decide, and, unless in check mode, apply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ._apply import apply
from ._client import Client
from ._errors import VllmError, quoted
from ._models import DeclaredAdapter, Observed, ServedAdapter, shown_name
from ._plan import Plan, plan
from ._report import LEFTOVER_WARNING, planned, served
from ._version import cache_risk, load_in_place_sticks, require_load_in_place, require_loading, require_supported

_IN_PLACE_WARNING = "reload_strategy in_place: requests in flight go on with mixed weights."
_STICKY_WARNING = (
    "This release of vLLM keeps load_inplace with the adapter. Until the adapter is unloaded, the server reads it from "
    "disk again at every step, and dies when the directory is removed."
)


@dataclass(frozen=True)
class Converged:
    """What was decided and what is served now, or in check mode would be; None stands for a name that is not served.

    ``version`` is None where the server was not asked for it, since nothing has to change, or did not name one.
    """

    plan: Plan
    after: dict[str, ServedAdapter | None]
    failures: dict[str, VllmError] = field(default_factory=dict)
    cache_risk: str = ""
    warnings: tuple[str, ...] = ()
    tidied: bool = False
    version: str | None = None

    @property
    def changed(self) -> bool:
        """As planned; after a failure, whatever was changed all the same. ``tidied``: what killed runs left is gone."""
        if self.failures:
            return self.tidied or any(entry.before != self.after[entry.name] for entry in self.plan.entries)
        return self.tidied or any(entry.action != "none" for entry in self.plan.entries)


def converge(
    client: Client, declared: Sequence[DeclaredAdapter], reload_strategy: str, check_mode: bool, **pruning: object
) -> Converged:
    """Converge the node to the declared adapters. What is as declared costs one GET.

    :param pruning: the pruning arguments of :func:`plan`.
    :raises VllmError: when nothing could be tried, or when the server went away.
    """
    decided = plan(declared, client.observe(), **pruning)
    if not decided.changed:
        return Converged(decided, planned(decided))
    url = decided.observed.url
    version = client.version()
    require_supported(version, url)
    if decided.loads:
        require_loading(version, decided.observed.rust_front_end, url)
    if decided.reloads and reload_strategy == "in_place":
        require_load_in_place(version, url)
    risks = filter(None, [cache_risk(version, entry.keeps_path) for entry in decided.reloads])
    risk, warnings = next(risks, ""), _warnings(decided, reload_strategy, version)
    if check_mode:
        client.require_runtime_lora()
        return Converged(decided, planned(decided), {}, risk, warnings, bool(decided.leftovers), version)
    applied = apply(decided, client, reload_strategy)
    observed = applied.observed
    warnings += _warnings_of_what_is_left(decided, observed)
    tidied = any(observed.adapter(leftover.name) is None for leftover in decided.leftovers)
    return Converged(decided, served(decided, observed), applied.failures, risk, warnings, tidied, version)


def _warnings(decided: Plan, reload_strategy: str, version: str | None) -> tuple[str, ...]:
    warnings = [f"{LEFTOVER_WARNING} {quoted(shown_name(leftover.name))} behind." for leftover in decided.leftovers]
    if decided.reloads and reload_strategy == "in_place":
        sticky = f" {_STICKY_WARNING}" if load_in_place_sticks(version) else ""
        warnings.append(f"{_IN_PLACE_WARNING}{sticky}")
    return tuple(warnings)


def _warnings_of_what_is_left(decided: Plan, observed: Observed) -> tuple[str, ...]:
    names = {entry.name for entry in decided.entries} | {shown_name(leftover.name) for leftover in decided.leftovers}
    return tuple(
        f"A rehearsal of adapter {quoted(shown_name(left.name))} could not be unloaded; the next run tries again."
        for left in observed.rehearsals
        if shown_name(left.name) in names
    )
