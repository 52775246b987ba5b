# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out a plan: every entry once, one failure does not stop the rest, and the list has the last word."""

from __future__ import annotations

from dataclasses import dataclass

from ._client import Client
from ._errors import VllmError, quoted, request_error, settling
from ._models import Observed
from ._plan import Entry, Plan
from ._steps import NOT_CONVERGED_HINT, load, restored, swap, swap_in_place, tidy, unload


@dataclass
class Applied:
    """What became of a plan: the list as it was read last, and the failures by name."""

    observed: Observed
    failures: dict[str, VllmError]


def apply(plan: Plan, client: Client, reload_strategy: str) -> Applied:
    """Carry out the plan and confirm it by one more reading of the list.

    :param reload_strategy: ``replace`` or ``in_place``, for what is served from elsewhere than wanted.
    :raises VllmError: when the server cannot be read any more, since then nothing can be said about any adapter; it
        tells of the failures before that as well.
    """
    failures: dict[str, VllmError] = {}
    with settling(failures.values()):
        observed = _carry_out_all(plan, client, reload_strategy, failures)
    return Applied(observed, failures)


def _carry_out_all(plan: Plan, client: Client, reload_strategy: str, failures: dict[str, VllmError]) -> Observed:
    for leftover in plan.leftovers:
        tidy(client, leftover.name)
    for entry in plan.entries:
        try:
            _carry_out(entry, client, reload_strategy)
        except VllmError as error:
            failures[entry.name] = error
            if error.is_unreachable:
                _require_answer(client, error)
    observed = client.observe()
    for entry in plan.entries:
        if entry.name not in failures and not _is_in_effect(entry, observed):
            failures[entry.name] = _not_converged(entry, observed)
    lost = [entry for entry in plan.entries if _is_lost(entry, observed)]
    for entry in lost:
        restored(client, entry.name, entry.before.root, entry.is_3d_lora_weight, failures[entry.name])
    return client.observe() if lost else observed


def _carry_out(entry: Entry, client: Client, reload_strategy: str) -> None:
    if entry.action == "unload":
        unload(client, entry.name)
    elif entry.action == "load":
        load(client, entry.name, entry.after.root, entry.is_3d_lora_weight)
    elif entry.action in ("reload", "replace"):
        put = swap_in_place if reload_strategy == "in_place" else swap
        put(client, entry.name, entry.before.root, entry.after.root, entry.is_3d_lora_weight)


def _require_answer(client: Client, error: VllmError) -> None:
    """A load that took too long concerns one adapter; a server that has gone concerns all that is left to do."""
    try:
        client.observe()
    except VllmError:
        raise error from None


def _is_in_effect(entry: Entry, observed: Observed) -> bool:
    if entry.after is None:
        return observed.adapter(entry.name) is None
    if not observed.serves(entry.name, entry.after.root):
        return False
    parent = observed.adapter(entry.name).parent
    return not entry.base_model or observed.base_model(parent) == observed.base_model(entry.base_model)


def _is_lost(entry: Entry, observed: Observed) -> bool:
    """Whether a name that was served and is wanted is not there: by a swap that failed, or by somebody else."""
    return bool(entry.before and entry.after) and observed.adapter(entry.name) is None


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
