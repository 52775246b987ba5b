# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show a report as one HTML page."""

from __future__ import annotations

import collections
import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import jinja2
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import VERDICTS
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.words import count_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.text import (
    JUDGED,
    QUIET,
    change_of,
    changes_of,
    reason_of,
    run_words,
    tally,
    waived,
    word,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.times import in_utc
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.trend import trend_bars, trend_counts

_TEMPLATE = Path(__file__).with_name("drift_report.html.j2")
# A sign beside each colour, for those who do not see colours.
_SIGNS = {
    "in_sync": "✓",
    "drifted": "≠",
    "missing": "\N{MINUS SIGN}",
    "revoked": "⊘",
    "unexpected": "+",
    "unreachable": "?",
    "failed": "!",
    "not_declared": "∅",
    "undeclared": "+",
    "excluded": "·",
}
# An adapter that is served and not declared is a stray. There can be any number, so that no stray has a column.
_STRAYS = ("unexpected", "undeclared")
_STRAY_MARK = "stray"
_NAMED = 10


@functools.lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    # Names of sites, servers and models are untrusted text.
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))


def page(fleet: Mapping, title: str) -> str:
    """Return the report as one HTML page that needs no other file."""
    trend = fleet["history"]["trend"] if fleet["history"] else None
    changed = {change["site"] for change in fleet["history"]["changes"]} if fleet["history"] else set()
    declared = _declared(fleet["sites"])
    columns = [name for name in fleet["adapters"] if name in declared]
    # The filters look for marks in the rows, since a mark is shorter than a name, and has no space.
    groups = {name: f"g{place}" for place, name in enumerate(fleet["groups"])}
    adapters = {name: f"a{place}" for place, name in enumerate(columns)}
    marks = {site["name"]: _marks(site, changed, groups, adapters) for site in fleet["sites"]}
    differ = [marks[site["name"]] for site in fleet["sites"] if site["verdict"] != "in_sync"]
    return _template().render(
        title=title,
        fleet=fleet,
        run=" · ".join(run_words(fleet["run"])),
        changed=changed,
        columns=columns,
        longest=max((len(site["name"]) for site in fleet["sites"]), default=0),
        marks=marks,
        groups=groups,
        adapters={**adapters, "adapters that are not declared": _STRAY_MARK},
        sizes=collections.Counter(itertools.chain.from_iterable(marks.values())),
        differing=collections.Counter(itertools.chain.from_iterable(differ)),
        attention=[_attention(fleet, site) for site in _by_urgency(fleet["sites"])],
        sections=_sections(fleet, columns),
        in_sync=[site["name"] for site in fleet["sites"] if site["verdict"] == "in_sync"],
        findings=_findings(fleet["sites"]),
        verdicts=[verdict for verdict in VERDICTS if fleet["summary"][verdict]],
        signs=_SIGNS,
        word=word,
        changes_of=changes_of,
        chart=trend_bars(trend) if trend else None,
        trend=trend_counts(trend) if trend else "",
    )


def _declared(sites: Iterable[Mapping]) -> set[str]:
    return {cell["name"] for site in sites for cell in site["adapters"] if cell["declared"]}


def _by_urgency(sites: Iterable[Mapping]) -> list[Mapping]:
    """Return the sites that are not in sync. Those that count as in sync because of waivers come last."""
    return sorted((site for site in sites if site["verdict"] != "in_sync"), key=lambda s: s["counts_as"] == "in_sync")


def _marks(site: Mapping, changed: set[str], groups: Mapping[str, str], adapters: Mapping[str, str]) -> list[str]:
    """Return the marks of a row: the verdict, the groups of the site, and its adapters that differ."""
    own = [site["verdict"], *(["waived"] if site["waived"] else []), *(["changed"] if site["name"] in changed else [])]
    differ = [cell for cell in site["adapters"] if cell["verdict"] not in QUIET]
    of_adapters = {adapters[cell["name"]] if cell["declared"] else _STRAY_MARK for cell in differ}
    return [*own, *(mark for name, mark in groups.items() if name in site["groups"]), *sorted(of_adapters)]


def _attention(fleet: Mapping, site: Mapping) -> dict:
    is_judged = site["verdict"] in JUDGED
    cells = [cell for cell in site["adapters"] if cell["verdict"] not in QUIET] if is_judged else []
    return {
        "site": site,
        "known": list(_known(fleet, site)),
        "since": _duration(site["since"], fleet["generated_at"]) if site["since"] else "",
        "reason": site["reason"],
        "notes": site["notes"],
        "is_judged": is_judged,
        "server": [f"{sentence}{waived(site['waiver'])}" for sentence in site["server"]],
        "differences": [_difference(cell) for cell in cells if cell["verdict"] not in _STRAYS],
        "strays": [stray for verdict in _STRAYS for stray in _strays(cells, verdict)],
    }


def _known(fleet: Mapping, site: Mapping) -> Iterable[str]:
    yield from (name for name in fleet["groups"] if name in site["groups"])
    if site["version"]:
        yield f"vLLM {site['version']}"
    if site["url"]:
        yield site["url"]


def _difference(cell: Mapping) -> dict:
    before, after = change_of(cell)
    return {
        "name": cell["name"],
        "verdict": "waived" if cell["waiver"] else cell["verdict"],
        "reason": reason_of(cell),
        "before": before,
        "after": after,
        "waived": waived(cell["waiver"]),
    }


def _strays(cells: Iterable[Mapping], verdict: str) -> Iterable[dict]:
    """Yield the strays of this kind as one difference of the site, apart from those with another waiver."""
    kinds: dict[str, list[Mapping]] = {}
    for cell in cells:
        if cell["verdict"] == verdict:
            kinds.setdefault(waived(cell["waiver"]), []).append(cell)
    for waiver, found in kinds.items():
        shown = [(cell["name"], (cell["served"] or {}).get("path")) for cell in found]
        yield {
            "verdict": "waived" if waiver else verdict,
            "first": shown[:_NAMED],
            "more": shown[_NAMED:],
            "after": "unload" if verdict == "unexpected" else "no change, since lora_prune is off",
            "waived": waiver,
        }


def _duration(since: str, until: str) -> str:
    """Return the time between two times in one unit, as people say it."""
    past = datetime.fromisoformat(in_utc(until)[:-1]) - datetime.fromisoformat(since[:-1])
    minutes = int(past.total_seconds() // 60)
    for unit, length in (("day", 24 * 60), ("hour", 60), ("minute", 1)):
        number = minutes // length
        if number > 0:
            return count_of(number, unit)
    return "now"


def _sections(fleet: Mapping, columns: Sequence[str]) -> list[dict]:
    """Return the rows of the matrix by group. A site is in the first group of the report that has it."""
    sections: dict[str, list[Mapping]] = {name: [] for name in [*fleet["groups"], ""]}
    for site in fleet["sites"]:
        sections[next((name for name in fleet["groups"] if name in site["groups"]), "")].append(site)
    return [
        {
            "name": name or "in no group",
            "counts": tally(collections.Counter(site["verdict"] for site in sites)),
            "rows": [_row(site, columns) for site in sites],
        }
        for name, sites in sections.items()
        if sites
    ]


def _row(site: Mapping, columns: Sequence[str]) -> dict:
    """Return the row of the matrix: one cell for each declared adapter, and one for all others."""
    cells = {cell["name"]: cell for cell in site["adapters"]}
    strays = {cell["name"]: cell["verdict"] for cell in site["adapters"] if not cell["declared"]}
    others = list(strays)
    is_judged = site["verdict"] in JUDGED
    return {
        "site": site,
        "cells": [_cell(cells.get(name)) for name in columns] if is_judged else [],
        "others": others,
        "kind": next((verdict for verdict in _STRAYS if verdict in strays.values()), "dim"),
        "shown": ", ".join([*others[:_NAMED], *(["..."] if len(others) > _NAMED else [])]),
        "notes": [*([site["reason"]] if is_judged and site["reason"] else []), *site["notes"]],
    }


def _cell(cell: Mapping | None) -> tuple[str, str, str]:
    """Return class, sign and title of a cell. Most are in sync and have none of them, since there can be 40,000."""
    if cell is None:
        return "", "", ""
    if cell["verdict"] == "in_sync":
        return "", _SIGNS["in_sync"], ""
    kind = "waived" if cell["waiver"] else cell["verdict"]
    return kind, _SIGNS[cell["verdict"]], f"{cell['name']} {reason_of(cell)}{waived(cell['waiver'])}"


def _findings(sites: Iterable[Mapping]) -> list[dict]:
    """Return the findings, the worst and the most frequent first, each once with all its sites."""
    kinds: dict[tuple[str, str, str], list[str]] = {}
    for site in sites:
        for finding in site["findings"]:
            kind = (str(finding.get("severity")), str(finding.get("message")), str(finding.get("fix")))
            kinds.setdefault(kind, []).append(site["name"])
    # `high` comes before `medium`.
    ordered = sorted(kinds.items(), key=lambda kind: (kind[0][0], -len(kind[1]), kind[0][1]))
    return [
        {"severity": severity, "message": message, "fix": fix, "sites": names}
        for (severity, message, fix), names in ordered
    ]
