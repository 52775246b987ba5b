# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The little YAML that a diff needs: a node may have no YAML library, and what a server says has to stay on its line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from .._errors import CompleteError, VllmError, printable, quoted, request_error
from .models import Card, Observed, normalised
from .plan import Entry, Plan


def planned(plan: Plan) -> dict[str, Card | None]:
    """Return what will be served by name, if all goes as planned."""
    return {entry.name: entry.after for entry in plan.entries}


def leftover_sentence(name: str) -> str:
    """Return the sentence that tells of such an adapter."""
    return f"An interrupted run left a rehearsal of adapter {quoted(name)} behind."


def served(plan: Plan, observed: Observed) -> dict[str, Card | None]:
    """Return what is served by name, as read back."""
    return {entry.name: observed.adapter(entry.name) for entry in plan.entries}


def diff(plan: Plan, after: dict[str, Card | None]) -> dict:
    """Return all that is served before and after, as YAML in the order of the names.

    Adapters that the plan leaves alone are shown as well, since a list without them reads as if they were not served.
    """
    names = {entry.name for entry in plan.entries}
    others = [adapter for adapter in plan.observed.adapters_of_users if adapter.name not in names]
    return {
        "before_header": "served before",
        "after_header": "served after",
        "before": _served_as_yaml([*others, *(entry.before for entry in plan.entries)]),
        "after": _served_as_yaml([*others, *(after[entry.name] for entry in plan.entries)]),
    }


def _served_as_yaml(adapters: Iterable[Card | None]) -> str:
    served_now = sorted((adapter for adapter in adapters if adapter is not None), key=lambda adapter: adapter.name)
    return as_yaml("adapters", [{"name": a.name, "path": a.root, "parent": a.parent} for a in served_now])


def adapter_card(entry: Entry, adapter: Card | None) -> dict:
    """Return the adapter as results show it; empty when it is not served."""
    if adapter is None:
        return {}
    return {
        "name": adapter.name,
        "id": adapter.name,
        "path": normalised(adapter.root),
        "root": adapter.root,
        "parent": adapter.parent,
        "base_model": entry.base_model or adapter.parent,
    }


def entry_result(entry: Entry, adapter: Card | None, failure: VllmError | None = None) -> dict:
    """Return one line of the result for a whole node."""
    return {
        "name": entry.name,
        "action": entry.action,
        "drift": entry.drift,
        "declared": entry.declared,
        "excluded": entry.excluded,
        "path": normalised(adapter.root) if adapter else None,
        "root": adapter.root if adapter else None,
        "parent": adapter.parent if adapter else None,
        "before": _place(entry.before) if entry.before else None,
        "error": dict(failure.as_dict(), msg=failure.message) if failure else None,
    }


def verdict_result(plan: Plan) -> dict:
    """Return the verdict on the site and what it rests on, as results show it."""
    return {
        "verdict": plan.verdict,
        "plan_id": plan.plan_id,
        "server": list(plan.server),
        "summary": plan.summary,
    }


def plan_changed(plan: Plan) -> VllmError:
    """Return the error of a plan that is another one than expected."""
    steps = [f"{entry.action} {quoted(entry.name)}" for entry in plan.entries if entry.action != "none"]
    steps = steps if len(steps) <= _SHOWN_STEPS else [*steps[:_SHOWN_STEPS], f"{len(steps) - _SHOWN_STEPS} more"]
    now = ", ".join(steps) or ("write nothing, since the server differs" if plan.server else "write nothing")
    return request_error(
        "plan_changed",
        "converge the adapters",
        plan.observed.url,
        f"the server or the declaration changed since this plan was made; it is {plan.plan_id} now: {now}",
        "nothing was written; audit the site again, and approve the new plan",
    )


_SHOWN_STEPS = 10


def _place(adapter: Card) -> dict:
    return {"path": normalised(adapter.root), "root": adapter.root, "parent": adapter.parent}


def joined_failure(failures: dict[str, VllmError], total: int, kind: str = "adapters") -> VllmError:
    """Return one error that lists all failures, with the code of the first that no retry can cure, if there is one."""
    errors = list(failures.values())
    if len(errors) == 1 and total == 1:
        return errors[0]
    first = next((e for e in errors if not e.retryable), errors[0])
    listed = " ".join(error.message for error in errors)
    return CompleteError(
        first.code,
        f"{len(errors)} of {total} {kind} failed: {listed}",
        first.hint,
        http_status=first.http_status,
        detail=first.detail,
    )


_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+-]*")
_NOT_A_STRING = frozenset(("true", "false", "yes", "no", "on", "off", "y", "n", "null"))


def as_yaml(key: str, items: Sequence[Mapping[str, str | None]]) -> str:
    """Return a YAML document that holds a list of flat mappings under ``key``."""
    if not items:
        return f"{key}: []\n"
    lines = [f"{key}:"]
    for item in items:
        for number, (name, value) in enumerate(item.items()):
            lines.append(f"{'    ' if number else '  - '}{name}: {_scalar(value)}")
    return "\n".join(lines) + "\n"


def _scalar(value: str | None) -> str:
    if value is None:
        return "null"
    if _PLAIN.fullmatch(value) and value.lower() not in _NOT_A_STRING:
        return value
    # Python's escapes of invisible characters are YAML's as well.
    return '"' + printable(value.replace("\\", "\\\\").replace('"', '\\"')) + '"'
