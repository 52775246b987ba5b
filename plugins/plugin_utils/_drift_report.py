# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the results of an audit to one report of the fleet, as data and as a page."""

from __future__ import annotations

import collections
import functools
from collections.abc import Iterable, Mapping
from pathlib import Path

import jinja2
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import UNREACHABLE_CODES
from ansible_collections.sovereign.vllm.plugins.module_utils._report import LEFTOVER_WARNING

VERDICTS = ("drifted", "unreachable", "failed", "in_sync")
_TEMPLATE = Path(__file__).with_name("_drift_report.html.j2")
_CELLS = {
    "none": "in_sync",
    "missing": "missing",
    "path": "drifted",
    "base_model": "drifted",
    "unexpected": "unexpected",
}


def report(sites: Iterable[Mapping], generated_at: str, source: str) -> dict:
    """Return the report of a fleet.

    :param sites: of each site its ``name``, the ``result`` of its audit (of the module in check mode, or of the filter
        ``lora_drift``; None where the audit did not come to it), its ``variables`` of the inventory, and the ``findings``
        about its server.
    :param generated_at: the time of the report, as ISO 8601.
    :param source: ``live`` where the sites were asked for it, ``inventory`` where it is about what the inventory saw.
    """
    rows = [_site(site) for site in sites]
    names = collections.Counter()
    for row in rows:
        names.update({cell["name"]: cell["verdict"] != "in_sync" for cell in row["adapters"]})
    return {
        "generated_at": generated_at,
        "source": source,
        "summary": {"sites": len(rows), **{v: sum(row["verdict"] == v for row in rows) for v in VERDICTS}},
        # What has drifted at most sites comes first, where it is seen.
        "adapters": sorted(names, key=lambda name: (-names[name], name)),
        "sites": sorted(rows, key=lambda row: (VERDICTS.index(row["verdict"]), row["name"])),
    }


def _site(site: Mapping) -> dict:
    result, variables = site["result"] or {}, site["variables"]
    adapters = [_cell(entry) for entry in result.get("adapters") or []]
    verdict = _verdict(result, adapters)
    audited = verdict not in ("unreachable", "failed")
    return {
        "name": site["name"],
        "url": variables.get("vllm_base_url"),
        "version": variables.get("vllm_version"),
        "verdict": verdict,
        "reason": _leftovers(result) if audited else _reason(result),
        "last_seen": variables.get("vllm_observed_at"),
        "adapters": adapters if audited else [],
        "findings": list(site["findings"] or []),
    }


def _verdict(result: Mapping, adapters: list[dict]) -> str:
    """A site that did not answer is unreachable whatever else is known of it: offline is neither in sync nor drifted.

    Whether anything would be done does not count: an adapter that is always to be loaded anew has not drifted by that.
    """
    if result.get("unreachable"):
        return "unreachable"
    if not result or result.get("failed") or "adapters" not in result:
        code = (result.get("error") or {}).get("code")
        return "unreachable" if code in UNREACHABLE_CODES else "failed"
    return "drifted" if any(cell["verdict"] != "in_sync" for cell in adapters) else "in_sync"


def _reason(result: Mapping) -> str:
    """A task in a loop has the reasons in its items."""
    items = [item["msg"] for item in result.get("results") or [] if item.get("failed") and item.get("msg")]
    return " ".join(items) or result.get("msg") or "The audit has no result for this site."


def _leftovers(result: Mapping) -> str:
    return " ".join(warning for warning in result.get("warnings") or [] if warning.startswith(LEFTOVER_WARNING))


def _cell(entry: Mapping) -> dict:
    verdict = _CELLS[entry["drift"]]
    return {"name": entry["name"], "verdict": verdict, "drift": entry["drift"], "path": entry.get("path")}


@functools.lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    # What sites and servers call themselves and their models is a stranger's text.
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))


def page(fleet: Mapping, title: str) -> str:
    """Return the report as one HTML page that needs nothing else."""
    rows = [dict(row, cells={cell["name"]: cell for cell in row["adapters"]}) for row in fleet["sites"]]
    return _template().render(title=title, fleet=fleet, rows=rows, verdicts=VERDICTS)
