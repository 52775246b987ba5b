# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe a report in words: what each form of it says about a site or an adapter."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import VERDICTS
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import printable
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.words import count_of, some_of

#: The verdicts on a site that was compared with its declaration.
JUDGED = ("drifted", "undeclared", "in_sync")
#: The verdicts on an adapter that needs no attention.
QUIET = ("in_sync", "excluded")
#: What people read for a word of the report, if it is another one.
WORDS = {
    "in_sync": "in sync",
    "failed": "not audited",
    "not_declared": "not declared",
}


def natural(name: str) -> str:
    """Return a key for sorting names as people do: edge2 before edge10."""
    return re.sub("[0-9]+", lambda digits: digits[0].zfill(12), name)


def word(verdict: str) -> str:
    """Return what people read for a verdict."""
    return WORDS.get(verdict, verdict)


def counted(summary: Mapping) -> str:
    """Return the number of sites, in all and by verdict."""
    waived = f" ({summary['waived']} with waived differences)" if summary["waived"] else ""
    shown = ("in_sync", "undeclared", "drifted", "unreachable", "failed", "not_declared")
    counts = ", ".join(f"{summary[verdict]} {word(verdict)}" for verdict in shown)
    return f"{count_of(summary['sites'], 'site')}{waived}: {counts}"


def needing_attention(fleet: Mapping) -> list[Mapping]:
    """Return the sites that are not in sync, and for which no waiver makes up."""
    return [site for site in fleet["sites"] if site["counts_as"] != "in_sync"]


def headline(fleet: Mapping) -> str:
    """Return how many sites need attention, without a full stop."""
    attention = len(needing_attention(fleet))
    verb = "needs" if attention == 1 else "need"
    return f"{attention} of {len(fleet['sites'])} sites {verb} attention" if attention else "No site needs attention"


def tally(counts: Mapping) -> str:
    """Return the verdicts that occur, each with its number of sites."""
    return ", ".join(f"{counts[verdict]} {word(verdict)}" for verdict in VERDICTS if counts[verdict])


def run_words(run: Mapping | None) -> list[str]:
    """Return what is known of the run that made the report, one phrase for each fact."""
    if not run:
        return []
    commit, template = run["commit"], f" of {run['template']}" if run["template"] else ""
    changed = ", and changes since" if commit and commit["changed"] else ""
    facts = {
        "inventory": ", ".join(run["inventory"]),
        "commit": f"{commit['id'][:12]}{changed}" if commit else None,
        "job": f"{run['job']}{template}" if run["job"] else None,
        "by": run["user"],
        "limited to": run["limit"],
    }
    return [*(f"{name} {fact}" for name, fact in facts.items() if fact), *(["check mode"] if run["check_mode"] else [])]


def lines(fleet: Mapping) -> list[str]:
    """Return the report as lines of text: one for the fleet, and one for each site that is not in sync."""
    return [f"{counted(fleet['summary'])}.", *(line(site) for site in fleet["sites"] if site["verdict"] != "in_sync")]


def line(site: Mapping) -> str:
    """Return what the report has of one site, as a line of text."""
    version = f" (vLLM {site['version']})" if site["version"] else ""
    as_of = f" as of {site['as_of']}" if site["as_of"] else ""
    since = f" since {site['since']}" if site["since"] else ""
    counts = f" (counts as {word(site['counts_as'])})" if site["waived"] else ""
    return printable(f"{site['name']}{version}{as_of}: {site['verdict']}{since}{counts}: {'; '.join(reasons(site))}")


def reasons(site: Mapping) -> list[str]:
    """Return why the site needs attention: a sentence, or one phrase for each difference."""
    if site["verdict"] not in JUDGED:
        return [site["reason"]]
    server = [f"{sentence.rstrip('.')}{waived(site['waiver'])}" for sentence in site["server"]]
    shown = [cell for cell in site["adapters"] if cell["verdict"] not in QUIET and cell["drift"] != "server"]
    return [*server, *(f"{cell['name']} {difference(cell)}{waived(cell['waiver'])}" for cell in shown)]


def drifts_of(site: Mapping) -> dict[str, str]:
    """Return the adapters that differ, each with its drift, or ``undeclared``: the words of a waiver."""
    return {
        cell["name"]: "undeclared" if cell["verdict"] == "undeclared" else cell["drift"]
        for cell in site["adapters"]
        if cell["verdict"] not in QUIET
    }


def waived(waiver: Mapping | None) -> str:
    """Return the waiver in brackets, or an empty string."""
    if not waiver:
        return ""
    by = f" by {waiver['by']}" if waiver["by"] else ""
    return f" (waived{by} until {waiver['until']}: {waiver['reason']})"


def difference(cell: Mapping) -> str:
    """Return what is said of an adapter that differs."""
    served = cell["served"] or {"path": "an unknown path", "parent": "an unknown one"}
    if cell["drift"] == "missing":
        return f"is not served, and is declared at {cell['path']}"
    if cell["drift"] == "path":
        return f"is served from {served['path']}, and is declared at {cell['path']}"
    if cell["drift"] == "base_model":
        return f"is served for the base model {served['parent']}, and is declared for {cell['parent']}"
    if cell["drift"] == "weights":
        return f"is served from {served['path']}, with other weights than the fingerprint that was recorded"
    if cell["drift"] == "revoked":
        return f"is served from {served['path']}, which is revoked" if cell["served"] else "is declared, and is revoked"
    if cell["drift"] == "server":
        return "was not compared, since the server is another one than required"
    return f"is served from {served['path']}, and is not declared"


_REASONS = {
    "missing": "is not served",
    "path": "is served from another path",
    "base_model": "is served for another base model",
    "weights": "has other weights than the fingerprint that was recorded",
    "revoked": "is revoked",
    "server": "was not compared, since the server is another one than required",
}


def reason_of(cell: Mapping) -> str:
    """Return in short what is said of an adapter that differs, without paths."""
    if cell["drift"] in _REASONS:
        return _REASONS[cell["drift"]]
    return f"differs ({cell['drift']})" if cell["declared"] else "is not declared"


def change_of(cell: Mapping) -> tuple[str | None, str | None]:
    """Return what is served now and what a converge would serve in its place: paths, or base models if these differ."""
    served, kind = cell["served"] or {}, "parent" if cell["drift"] == "base_model" else "path"
    if cell["drift"] == "revoked" and not cell["declared"]:
        return served.get(kind), "unload"
    # A converge does not change weights, and does not serve what is revoked.
    return served.get(kind), cell[kind] if cell[kind] != served.get(kind) else None


_NAMED = 10
_KINDS = {
    "missing": "not served",
    "path": "served from another path",
    "base_model": "served for another base model",
    "weights": "served with other weights",
    "server": "not compared",
    "unexpected": "not declared",
    "undeclared": "not declared",
}


def changes_of(change: Mapping) -> list[str]:
    """Return what differs at a site since its last run, a phrase for each kind, and what no longer differs.

    :param change: one of ``history.changes`` of the report.
    """
    appeared = change["appeared"]
    kinds: dict[str, list[str]] = {}
    for name in sorted(appeared, key=natural):
        kinds.setdefault(_KINDS.get(appeared[name], appeared[name]), []).append(name)
    gone = sorted((name for name in change["gone"] if name not in appeared), key=natural)
    return [
        *(f"now {kind}: {some_of(names, _NAMED)}" for kind, names in kinds.items()),
        *([f"no longer different: {some_of(gone, _NAMED)}"] if gone else []),
    ]
