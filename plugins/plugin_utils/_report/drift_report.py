# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn the results of an audit into one report of the fleet, as data."""

from __future__ import annotations

import collections
import difflib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import VERDICTS, verdict_of
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.results import leftover_sentence
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, printable
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.text import JUDGED, QUIET, counted, natural
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.waivers import Waiver

# A name that is at least this similar counts as a misspelling.
_MISSPELT = 0.88
_ERROR_KEYS = ("code", "http_status", "detail", "hint", "retryable")


def report(
    sites: Iterable[Mapping],
    generated_at: str,
    source: str,
    awaited: Sequence[str] = (),
    fail_on: Sequence[str] = (),
    waivers: Sequence[Waiver] = (),
    groups: Sequence[str] = (),
    run: Mapping | None = None,
) -> dict:
    """Return the report of a fleet. The verdict on a site is that of its result; the report judges nothing itself.

    :param sites: each site has its ``name``, its ``groups`` and ``variables`` of the inventory, the ``result`` of its audit,
        and ``server``, the result of ``vllm_server_info``. The result comes from the module in check mode, from the filter
        ``lora_drift``, or from :func:`not_declared`. It is None if the audit has not reached the site. ``as_of`` is the time
        of a result that was carried back, as ISO 8601, and ``bundle`` the serial of its bundle.
    :param generated_at: the time of the report, as ISO 8601.
    :param source: ``live`` if the sites were asked for this report, ``inventory`` if the state in the inventory was compared,
        ``results`` if only results that were carried back are reported.
    :param awaited: names of sites that the audit reaches later. They are not in the report.
    :param fail_on: verdicts that fail the audit once all sites are audited.
    :param waivers: those that are in force. Without the waived differences, a site counts as ``counts_as``.
    :param groups: the groups of the inventory to show. By default those that tell sites apart, the largest first.
    :param run: what :func:`run_of` returns, if it is known.
    """
    rows = [_site(site, waivers) for site in sites]
    names: collections.Counter[str] = collections.Counter()
    for row in rows:
        names.update({cell["name"]: cell["verdict"] not in QUIET for cell in row["adapters"]})
    summary = {
        "sites": len(rows),
        **{verdict: sum(row["verdict"] == verdict for row in rows) for verdict in VERDICTS},
        "waived": sum(row["waived"] for row in rows),
    }
    fails = [row for row in rows if row["counts_as"] in fail_on]
    failure = "" if awaited else _failure(summary, fails)
    return {
        "generated_at": generated_at,
        "source": source,
        "run": run,
        "summary": summary,
        "awaited": sorted(awaited),
        # What earlier runs tell. See history.py.
        "history": None,
        "failure": failure,
        "failing": sorted(row["name"] for row in fails) if failure else [],
        # Adapters that have drifted at most sites come first.
        "adapters": sorted(names, key=lambda name: (-names[name], name)),
        "groups": _groups(rows, groups),
        "sites": sorted(rows, key=lambda row: (VERDICTS.index(row["verdict"]), natural(row["name"]))),
    }


def _groups(sites: Sequence[Mapping], chosen: Sequence[str]) -> list[str]:
    """Return the groups by which the sites are shown. A group that has all of them tells nothing."""
    sizes = collections.Counter(group for site in sites for group in site["groups"])
    if chosen:
        return [group for group in dict.fromkeys(chosen) if group in sizes]
    telling = [group for group, size in sizes.items() if size < len(sites)]
    return sorted(telling, key=lambda group: (-sizes[group], group))


def not_declared(variable: str, variables: Iterable[str]) -> dict:
    """Return the result for a host without declared adapters.

    :param variable: the name of the variable that has to hold them.
    :param variables: the names of the variables that the host has.
    """
    similar = difflib.get_close_matches(variable, variables, n=1, cutoff=_MISSPELT)
    but = f", but {printable(similar[0])} is" if similar else ""
    msg = (
        f"This host was not audited: its variable {variable} is not defined{but}. Declare its adapters in {variable}; an "
        "empty list declares that it serves none."
    )
    error = VllmError("not_declared", msg, f"define {variable}")
    return {"failed": True, "verdict": "not_declared", "msg": msg, "error": error.as_dict()}


def failed_over_variable(variable: str, result: object) -> bool:
    """Return whether Ansible itself failed the task over this variable. A failure of a module has an ``error``."""
    return (
        isinstance(result, Mapping)
        and bool(result.get("failed"))
        and not result.get("error")
        and variable in str(result.get("msg"))
    )


def _failure(summary: Mapping, fails: Sequence[Mapping]) -> str:
    """Return why the audit counts as a failure, or an empty string.

    A fleet that is unreachable as a whole was audited, since offline is a finding. A fleet without declarations was not.
    """
    judged = sum(summary[verdict] for verdict in JUDGED)
    if not judged and (summary["unreachable"] < summary["sites"] or not summary["sites"]):
        return f"No site was audited. {counted(summary)}."
    return f"{counted(summary)}." if fails else ""


def _site(site: Mapping, waivers: Sequence[Waiver]) -> dict:
    result, variables = site["result"] or {}, site["variables"]
    server = result.get("server_info") or site["server"] or {}
    verdict = _verdict(result)
    audited = verdict in JUDGED
    mine = [waiver for waiver in waivers if fnmatchcase(site["name"], waiver.site)]
    cells = [_cell(entry, site["name"], mine) for entry in result.get("adapters") or []] if audited else []
    differs = list(result.get("server") or []) if audited else []
    waiver = _waiver_of(site["name"], "", "server", mine) if differs else None
    counts_as = _counts_as(verdict, cells, bool(differs) and not waiver) if audited and mine else verdict
    return {
        "name": site["name"],
        "groups": list(site["groups"]),
        "url": variables.get("vllm_base_url"),
        # The answer for this report comes before the state in the inventory, which may be cached.
        "version": result.get("version") or server.get("version") or variables.get("vllm_server_version"),
        "verdict": verdict,
        "counts_as": counts_as,
        "waived": counts_as != verdict,
        "plan_id": result.get("plan_id"),
        "server": differs,
        "waiver": waiver,
        "reason": _leftovers(result) if audited else _reason(result),
        "error": None if audited else _error(result, verdict),
        "last_seen": variables.get("vllm_observed_at"),
        # The time of an audit whose result was carried back from the site.
        "as_of": site.get("as_of"),
        "bundle": site.get("bundle"),
        "since": None,
        "adapters": cells,
        "notes": list(result.get("notes") or []) if audited else [],
        "findings": list(result.get("findings") or server.get("findings") or []),
    }


def _verdict(result: Mapping) -> str:
    """Return the verdict of the result. A task that Ansible itself failed has none."""
    verdict, failed = result.get("verdict"), bool(result.get("failed"))
    if verdict in VERDICTS and not (failed and verdict in ("in_sync", "undeclared")):
        return verdict
    return "unreachable" if result.get("unreachable") else verdict_of((result.get("error") or {}).get("code", ""))


def _reason(result: Mapping) -> str:
    """Return why there is no audit. In the result of a loop, each item has its own reason."""
    items = [item["msg"] for item in _failed_items(result) if item.get("msg")]
    return " ".join(items) or result.get("msg") or "The audit has no result for this site."


def _error(result: Mapping, verdict: str) -> dict:
    """Return the ``error`` block of the site. A task that Ansible itself failed has none."""
    items = [item["error"] for item in _failed_items(result) if item.get("error")]
    found = result.get("error") or next(iter(items), None)
    if isinstance(found, Mapping) and found.get("code"):
        unknown = VllmError(found["code"], "").as_dict()
        return {key: found.get(key, unknown[key]) for key in _ERROR_KEYS}
    return VllmError("unreachable" if verdict == "unreachable" else "task_failed", "").as_dict()


def _failed_items(result: Mapping) -> list[Mapping]:
    return [item for item in result.get("results") or [] if item.get("failed")]


def _leftovers(result: Mapping) -> str:
    return " ".join(leftover_sentence(name) for name in result.get("leftovers") or [])


# What an adapter with this drift is called in its cell.
_CELLS = {
    "none": "in_sync",
    "missing": "missing",
    "path": "drifted",
    "base_model": "drifted",
    "unexpected": "unexpected",
    "server": "drifted",
    "weights": "drifted",
    "revoked": "revoked",
}


def _cell(entry: Mapping, site: str, waivers: Sequence[Waiver]) -> dict:
    drift, before = entry["drift"], entry.get("before")
    declared = entry.get("declared", True)
    verdict = _CELLS.get(drift, "drifted")
    if drift == "none" and not declared:
        verdict = "excluded" if entry.get("excluded") else "undeclared"
    difference = "undeclared" if verdict == "undeclared" else drift
    # The requirements of the server are one difference of the site. Nobody waives what is revoked.
    is_waivable = verdict not in QUIET and drift not in ("server", "revoked")
    return {
        "name": entry["name"],
        "verdict": verdict,
        "drift": drift,
        "declared": declared,
        "excluded": bool(entry.get("excluded")),
        # The entry of an adapter that stays as it is has what is served.
        "path": entry.get("path") if declared and drift != "server" else None,
        "parent": entry.get("parent") if declared and drift != "server" else None,
        "served": {"path": before["path"], "parent": before["parent"]} if before else None,
        "waiver": _waiver_of(site, entry["name"], difference, waivers) if waivers and is_waivable else None,
    }


def _waiver_of(site: str, adapter: str, drift: str, waivers: Sequence[Waiver]) -> dict | None:
    return next((waiver.as_dict() for waiver in waivers if waiver.covers(site, adapter, drift)), None)


def _counts_as(verdict: str, cells: Sequence[Mapping], server_differs: bool) -> str:
    """Return the verdict without the waived differences."""
    left = {cell["verdict"] for cell in cells if not cell["waiver"] and cell["drift"] != "server"}
    if verdict == "drifted" and (server_differs or left - {*QUIET, "undeclared"}):
        return "drifted"
    return "undeclared" if "undeclared" in left else "in_sync"
