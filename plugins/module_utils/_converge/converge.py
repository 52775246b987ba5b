# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converge one server: observe, decide and, unless in check mode, apply the plan."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from .._adapters.models import Card, DeclaredAdapter, Observed, shown_name
from .._adapters.plan import Entry, Plan, plan
from .._adapters.pruning import Pruning
from .._adapters.results import diff, joined_failure, leftover_sentence, plan_changed, planned, served
from .._adapters.revocation import Revoked, declared_revoked
from .._errors import VllmError, also_report, failure, invalid_option, quoted, request_error
from .._http.client import Client
from .._vllm.releases import cache_risk, load_in_place_sticks, require_load_in_place, require_loading, require_supported
from .._vllm.requirements import Requirements, server_differs
from .steps import NOT_CONVERGED_HINT, Drain, load, restore_after, swap, swap_in_place, tidy, unload

# Seconds: a day. No request takes longer.
_LONGEST_DRAIN = 86400
#: The options of the modules that converge, beside those of the connection and of the adapters.
CONVERGE_OPTIONS: dict[str, dict] = {
    "load_timeout": {"type": "float", "default": 300.0},
    "reload_strategy": {"type": "str", "choices": ["replace", "in_place"], "default": "replace"},
    "drain_timeout": {"type": "float", "default": 0.0},
}


def read_drain_timeout(options: Mapping) -> float:
    """Return the seconds to wait at most for requests before names go.

    :raises VllmError: ``invalid_request`` if that is no time.
    """
    seconds = options["drain_timeout"]
    if not 0 <= seconds <= _LONGEST_DRAIN:
        raise invalid_option("drain_timeout", f"is {seconds:g}", f"give a number of seconds up to {_LONGEST_DRAIN}")
    return seconds


@dataclass
class Applied:
    """The outcome of a plan: the list as it was read last, the failures by name, and sentences about names in use."""

    observed: Observed
    failures: dict[str, VllmError]
    warnings: tuple[str, ...] = ()


def apply(plan: Plan, client: Client, reload_strategy: str, drain_timeout: float = 0.0) -> Applied:
    """Carry out the plan and confirm it by one more reading of the list.

    :param reload_strategy: ``replace`` or ``in_place``, for what is served from elsewhere than wanted.
    :param drain_timeout: seconds to wait at most for requests before names go.
    :raises VllmError: when the server cannot be read any more, since then nothing can be said about any adapter; it
        tells of the failures before that as well.
    """
    failures: dict[str, VllmError] = {}
    drain = Drain(client, drain_timeout) if drain_timeout else None
    with also_report(failures.values()):
        observed = _carry_out_all(plan, client, reload_strategy, drain, failures)
    return Applied(observed, failures, tuple(drain.warnings) if drain else ())


def _carry_out_all(
    plan: Plan, client: Client, reload_strategy: str, drain: Drain | None, failures: dict[str, VllmError]
) -> Observed:
    for leftover in plan.leftovers:
        tidy(client, leftover.name)
    for entry in plan.managed:
        try:
            _carry_out(entry, client, reload_strategy, drain)
        except VllmError as error:
            failures[entry.name] = error
            if error.is_unreachable:
                _require_answer(client, error)
    observed = client.observe()
    for entry in plan.managed:
        if entry.name not in failures and not _is_in_effect(entry, observed):
            failures[entry.name] = _not_converged(entry, observed)
    lost = [entry for entry in plan.managed if _is_lost(entry, observed)]
    for entry in lost:
        restore_after(failures[entry.name], client, entry)
    return client.observe() if lost else observed


def _carry_out(entry: Entry, client: Client, reload_strategy: str, drain: Drain | None) -> None:
    if entry.action == "unload":
        if drain:
            drain.wait_for(entry.name)
        unload(client, entry.name)
    elif entry.action == "load":
        load(client, entry)
    elif entry.action in ("reload", "replace"):
        put = swap_in_place if reload_strategy == "in_place" else swap
        try:
            put(client, entry)
        except VllmError as error:
            # What is revoked goes, also if its successor cannot be loaded.
            if entry.drift == "revoked" and not error.is_unreachable:
                with also_report([error]):
                    unload(client, entry.name)
            raise


def _require_answer(client: Client, error: VllmError) -> None:
    """A load that took too long concerns one adapter; a server that has gone concerns all that is left to do."""
    try:
        client.observe()
    except VllmError:
        raise error from None


def _is_in_effect(entry: Entry, observed: Observed) -> bool:
    adapter = observed.adapter(entry.name)
    if entry.after is None or adapter is None:
        return entry.after is None and adapter is None
    if not observed.serves(entry.name, entry.path):
        return False
    return not entry.base_model or observed.base_model(adapter.parent) == observed.base_model(entry.base_model)


def _is_lost(entry: Entry, observed: Observed) -> bool:
    """True if a name that was served and is wanted is not there, because a swap failed or somebody else unloaded it."""
    is_wanted = entry.before and entry.after and entry.drift != "revoked"
    return bool(is_wanted) and observed.adapter(entry.name) is None


def _not_converged(entry: Entry, observed: Observed) -> VllmError:
    """The server said yes, but its list does not show it."""
    adapter = observed.adapter(entry.name)
    shown = "/v1/models does not list it afterwards"
    if adapter:
        shown = f"/v1/models lists it from {quoted(adapter.root)} for base model {quoted(adapter.parent)} afterwards"
    return request_error(
        "not_converged",
        f"{'keep' if entry.action == 'none' else entry.action} adapter {quoted(entry.name)}",
        observed.url,
        shown,
        NOT_CONVERGED_HINT,
    )


_IN_PLACE_WARNING = "reload_strategy in_place: requests in flight go on with mixed weights."
_STICKY_WARNING = (
    "This release of vLLM keeps load_inplace with the adapter. Until the adapter is unloaded, the server reads it from "
    "disk again at every step, and dies when the directory is removed."
)


@dataclass(frozen=True)
class Converged:
    """The plan and the adapters that are served now, or would be in check mode; None stands for a name that is not served.

    ``version`` is None where the server was not asked for it, since nothing has to change, or did not name one.
    ``refusal`` is the reason why nothing was written.
    """

    plan: Plan
    after: dict[str, Card | None]
    failures: dict[str, VllmError] = field(default_factory=dict)
    cache_risk: str = ""
    warnings: tuple[str, ...] = ()
    tidied: bool = False
    version: str | None = None
    refusal: VllmError | None = None

    @property
    def changed(self) -> bool:
        """As planned; after a failure, True if anything was changed all the same. ``tidied``: rehearsals of killed runs are gone.
        With a refusal, nothing was written."""
        if self.refusal:
            return False
        if self.failures:
            return self.tidied or any(entry.before != self.after[entry.name] for entry in self.plan.managed)
        return self.tidied or any(entry.action != "none" for entry in self.plan.entries)

    def result(self) -> dict:
        """Return the part of a result that all modules have that converge."""
        error = joined_failure(self.failures, len(self.plan.managed)) if self.failures else self.refusal
        warnings = [*self.warnings, *filter(None, [self.cache_risk])]
        return {
            **(failure(error) if error else {}),
            "changed": self.changed,
            "diff": diff(self.plan, self.after),
            "cache_risk": bool(self.cache_risk),
            "leftovers": self.plan.leftover_names,
            **({"warnings": warnings} if warnings else {}),
        }


def converge(
    client: Client,
    declared: Sequence[DeclaredAdapter],
    reload_strategy: str,
    check_mode: bool,
    pruning: Pruning | None = None,
    requirements: Requirements | None = None,
    expect_plan: str | None = None,
    other_weights: Collection[str] = (),
    drain_timeout: float = 0.0,
    revoked: Revoked | None = None,
) -> Converged:
    """Converge the node to the declared adapters. If nothing has to change, this costs one GET, and one more if the
    requirements name a version.

    :param pruning: None if the declaration says nothing about other adapters.
    :param expect_plan: the only plan to carry out, as ``Plan.plan_id``; None for any.
    :param other_weights: the adapters whose fingerprints differ from the recorded ones.
    :param drain_timeout: seconds to wait at most for requests before names go.
    :param revoked: the digests that must not be served.
    :raises VllmError: when nothing could be tried, or when the server went away; ``plan_changed`` if the plan is another one.
    """
    observed = client.observe()
    asks_version = requirements is not None and requirements.version is not None
    version = client.version() if asks_version else None
    differences = requirements.differences(observed, version) if requirements else ()
    decided = plan(declared, observed, pruning, differences, other_weights=other_weights, revoked=revoked)
    if expect_plan is not None and expect_plan != decided.plan_id:
        raise plan_changed(decided)
    refusal = _refusal(decided)
    if refusal:
        warnings, now = decided.server or (refusal.message,), served(decided, observed)
        told = {"warnings": warnings} if check_mode else {"refusal": refusal}
        return Converged(decided, now, version=version, **told)
    if not decided.changed:
        return Converged(decided, planned(decided), version=version)
    version = version if asks_version else client.version()
    return _converge(client, decided, reload_strategy, check_mode, version, drain_timeout)


def _refusal(decided: Plan) -> VllmError | None:
    """Return the reason why nothing may be written, if there is one."""
    if decided.server:
        return server_differs(decided.server, decided.observed.url)
    return declared_revoked(decided.revoked, decided.observed.url) if decided.revoked else None


def _converge(
    client: Client, decided: Plan, reload_strategy: str, check_mode: bool, version: str | None, drain_timeout: float
) -> Converged:
    url = decided.observed.url
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
    applied = apply(decided, client, reload_strategy, drain_timeout)
    observed = applied.observed
    warnings += applied.warnings + _warnings_of_what_is_left(decided, observed)
    tidied = any(observed.adapter(leftover.name) is None for leftover in decided.leftovers)
    return Converged(decided, served(decided, observed), applied.failures, risk, warnings, tidied, version)


def _warnings(decided: Plan, reload_strategy: str, version: str | None) -> tuple[str, ...]:
    warnings = [leftover_sentence(name) for name in decided.leftover_names]
    if decided.reloads and reload_strategy == "in_place":
        sticky = f" {_STICKY_WARNING}" if load_in_place_sticks(version) else ""
        warnings.append(f"{_IN_PLACE_WARNING}{sticky}")
    return tuple(warnings)


def _warnings_of_what_is_left(decided: Plan, observed: Observed) -> tuple[str, ...]:
    names = {entry.name for entry in decided.managed} | set(decided.leftover_names)
    return tuple(
        f"A rehearsal of adapter {quoted(shown_name(left.name))} could not be unloaded; the next run tries again."
        for left in observed.rehearsals
        if shown_name(left.name) in names
    )
