# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn the results of an audit into one report of the fleet: as data, as lines of text, as an HTML page."""

from __future__ import annotations

import collections
import difflib
import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import jinja2
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.results import leftover_sentence
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import UNREACHABLE_CODES, printable

VERDICTS = ("drifted", "unreachable", "failed", "not_declared", "in_sync")
_JUDGED = ("drifted", "in_sync")
_TEMPLATE = Path(__file__).with_name("_drift_report.html.j2")
_CELLS = {
    "none": "in_sync",
    "missing": "missing",
    "path": "drifted",
    "base_model": "drifted",
    "unexpected": "unexpected",
}
_COUNTED = "{sites} sites: {in_sync} in sync, {drifted} drifted, {unreachable} unreachable, {failed} not audited, {not_declared} not declared"
# A name that is at least this similar counts as a misspelling.
_MISSPELT = 0.88


def report(
    sites: Iterable[Mapping],
    generated_at: str,
    source: str,
    awaited: Sequence[str] = (),
    fail_on: Sequence[str] = (),
) -> dict:
    """Return the report of a fleet.

    :param sites: each site has its ``name``, the ``result`` of its audit, its ``variables`` of the inventory, and
        ``server``, the result of ``vllm_server_info``. The result comes from the module in check mode, from the filter
        ``lora_drift``, or from :func:`not_declared`. It is None if the audit has not reached the site.
    :param generated_at: the time of the report, as ISO 8601.
    :param source: ``live`` if the sites were asked for this report, ``inventory`` if the state in the inventory was compared.
    :param awaited: names of sites that the audit reaches later. They are not in the report.
    :param fail_on: verdicts that fail the audit once all sites are audited.
    """
    rows = [_site(site) for site in sites]
    names: collections.Counter[str] = collections.Counter()
    for row in rows:
        names.update({cell["name"]: cell["verdict"] != "in_sync" for cell in row["adapters"]})
    summary = {"sites": len(rows), **{v: sum(row["verdict"] == v for row in rows) for v in VERDICTS}}
    return {
        "generated_at": generated_at,
        "source": source,
        "summary": summary,
        "awaited": sorted(awaited),
        "failure": "" if awaited else _failure(summary, fail_on),
        # Adapters that have drifted at most sites come first.
        "adapters": sorted(names, key=lambda name: (-names[name], name)),
        "sites": sorted(rows, key=lambda row: (VERDICTS.index(row["verdict"]), row["name"])),
    }


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
    return {"failed": True, "msg": msg, "error": {"code": "not_declared"}}


def failed_over_variable(variable: str, result: object) -> bool:
    """Return whether Ansible itself failed the task over this variable. A failure of a module has an ``error``."""
    return (
        isinstance(result, Mapping)
        and bool(result.get("failed"))
        and not result.get("error")
        and variable in str(result.get("msg"))
    )


def text_of(variables: Mapping, key: str) -> str | None:
    """Return a variable of a host as text, or None if the host does not have it or it cannot be evaluated."""
    try:
        value = variables.get(key)
        # Since ansible-core 2.19, an undefined value raises only when it is made text.
        return value if value is None else str(value)
    except Exception:
        return None


def _failure(summary: Mapping, fail_on: Sequence[str]) -> str:
    """Return why the audit counts as a failure, or an empty string.

    A fleet that is unreachable as a whole was audited, since offline is a finding. A fleet without declarations was not.
    """
    counted = _COUNTED.format(**summary)
    judged = sum(summary[verdict] for verdict in _JUDGED)
    if not judged and (summary["unreachable"] < summary["sites"] or not summary["sites"]):
        return f"No site was audited. {counted}."
    return f"{counted}." if any(summary[verdict] for verdict in fail_on) else ""


def _site(site: Mapping) -> dict:
    result, variables, server = site["result"] or {}, site["variables"], site["server"] or {}
    adapters = [_cell(entry) for entry in result.get("adapters") or []]
    verdict = _verdict(result, adapters)
    audited = verdict in _JUDGED
    return {
        "name": site["name"],
        "url": variables.get("vllm_base_url"),
        # The answer for this report comes before the state in the inventory, which may be cached.
        "version": result.get("version") or server.get("version") or variables.get("vllm_server_version"),
        "verdict": verdict,
        "reason": _leftovers(result) if audited else _reason(result),
        "last_seen": variables.get("vllm_observed_at"),
        "adapters": adapters if audited else [],
        "findings": list(server.get("findings") or []),
    }


def _verdict(result: Mapping, adapters: list[dict]) -> str:
    """A site that did not answer is unreachable, even if the inventory knows its last state.

    Only drift counts, not ``changed``: an adapter with ``state: reloaded`` is always a change, and has not drifted.
    """
    if result.get("unreachable"):
        return "unreachable"
    if not result or result.get("failed") or "adapters" not in result:
        code = (result.get("error") or {}).get("code")
        return "unreachable" if code in UNREACHABLE_CODES else code if code == "not_declared" else "failed"
    return "drifted" if any(cell["verdict"] != "in_sync" for cell in adapters) else "in_sync"


def _reason(result: Mapping) -> str:
    """Return why there is no audit. In the result of a loop, each item has its own reason."""
    items = [item["msg"] for item in result.get("results") or [] if item.get("failed") and item.get("msg")]
    return " ".join(items) or result.get("msg") or "The audit has no result for this site."


def _leftovers(result: Mapping) -> str:
    return " ".join(leftover_sentence(name) for name in result.get("leftovers") or [])


def _cell(entry: Mapping) -> dict:
    verdict, before = _CELLS[entry["drift"]], entry.get("before")
    return {
        "name": entry["name"],
        "verdict": verdict,
        "drift": entry["drift"],
        "path": entry.get("path"),
        "parent": entry.get("parent"),
        "served": {"path": before["path"], "parent": before["parent"]} if before else None,
    }


def lines(fleet: Mapping) -> list[str]:
    """Return the report as lines of text: one for the fleet, and one for each site that is not in sync."""
    first = f"{_COUNTED.format(**fleet['summary'])}."
    return [first, *(_line(site) for site in fleet["sites"] if site["verdict"] != "in_sync")]


def _line(site: Mapping) -> str:
    version = f" (vLLM {site['version']})" if site["version"] else ""
    if site["verdict"] == "drifted":
        details = "; ".join(
            f"{cell['name']} {_difference(cell)}" for cell in site["adapters"] if cell["verdict"] != "in_sync"
        )
    else:
        details = site["reason"]
    return printable(f"{site['name']}{version}: {site['verdict']}: {details}")


def _difference(cell: Mapping) -> str:
    served = cell["served"] or {"path": "an unknown path", "parent": "an unknown one"}
    if cell["drift"] == "missing":
        return f"is not served, and is declared at {cell['path']}"
    if cell["drift"] == "path":
        return f"is served from {served['path']}, and is declared at {cell['path']}"
    if cell["drift"] == "base_model":
        return f"is served for the base model {served['parent']}, and is declared for {cell['parent']}"
    return f"is served from {served['path']}, and is not declared"


@functools.lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    # Names of sites, servers and models are untrusted text.
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))


def page(fleet: Mapping, title: str) -> str:
    """Return the report as one HTML page that needs no other file."""
    rows = [dict(row, cells={cell["name"]: cell for cell in row["adapters"]}) for row in fleet["sites"]]
    return _template().render(title=title, fleet=fleet, rows=rows, verdicts=VERDICTS, difference=_difference)
