# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a fleet that does not exist, with everything that a report can show."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.history import (
    Entry,
    Past,
    entries_of,
    with_history,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.waivers import Waiver

from tests.support.audits import audited, fleet_of

CITIES = {
    "north": ("aalborg", "bergen", "hamburg", "oslo", "turku"),
    "south": ("bari", "graz", "nice", "porto"),
    "east": ("brno", "gdansk", "riga"),
    "west": ("brest", "cork"),
}
ADAPTERS = (
    *("sql", "summaries", "support-de", "support-en", "support-fr", "invoices", "contracts", "tickets", "translate"),
    *("classify", "redact", "extract", "minutes", "reports", "mail", "search", "safety", "code-review", "faq", "forms"),
)
AT = "2026-11-23T18:50:00Z"
_HOURS = [f"2026-11-23T{hour:02}:50:00Z" for hour in range(18)]
_NO_KEY = {
    "id": "no_key",
    "severity": "high",
    "message": "Everyone who reaches the server can load adapters.",
    "fix": "Start vLLM with --api-key.",
}
_NO_TLS = {
    "id": "unencrypted",
    "severity": "medium",
    "message": "The connection is not encrypted.",
    "fix": "Put a proxy with TLS in front of the server.",
}
_WAIVER = Waiver("*-01", "*", "base_model", "2027-01-31", "trial of the new base model", "Ada")
_RUN = {
    "inventory": ["sites.vllm.yml"],
    "commit": {"id": "4f0c1d9a2b7e8d3c5a6f1e0b9d8c7a6f5e4d3c2b", "changed": False},
    "job": None,
    "template": None,
    "user": "ada",
    "limit": None,
    "check_mode": False,
}


def made_up_fleet(count: int, adapters: Sequence[str] = ADAPTERS) -> dict:
    """Return the report on this many sites. The same number gives the same report.

    The first site is unreachable, the second one lacks the first adapter, and of the others about one in seven differs.
    """
    choice = random.Random(20261123)
    places = [
        (region, city) for number in range(5) for region, cities in CITIES.items() for city in cities[number:][:1]
    ]
    sites = []
    for number in range(count):
        region, city = places[number % len(places)]
        groups = ["vllm", region, *(["canary"] if number % 20 == 1 else [])]
        name = f"{city}-{number // len(places) + 1:02}"
        site = _site(name, number, choice, adapters)
        sites.append({**site, "groups": sorted(groups)})
    fleet = fleet_of(*sites, at=AT, waivers=[_WAIVER], run=_RUN)
    past = _past(fleet, choice)
    return with_history(fleet, past, entries_of(fleet, past))


def _site(name: str, number: int, choice: random.Random, adapters: Sequence[str]) -> dict:
    luck = choice.random()
    if number == 0 or (number > 2 and luck < 0.02):
        return audited(name, "unreachable", last_seen="2026-11-22T07:14:00Z")
    if number > 2 and luck < 0.025:
        return audited(name, "failed")
    drifts = dict.fromkeys(adapters, "none")
    if number == 1:
        drifts[adapters[0]] = "missing"
    elif number > 2 and luck < 0.11:
        drifts[choice.choice(adapters)] = choice.choice(["path", "path", "base_model", "missing"])
        drifts |= {f"trial-{number}-{place}": "unexpected" for place in range(choice.choice([0, 0, 1, 14]))}
    elif number > 2 and luck < 0.14:
        drifts[f"trial-{number}"] = "undeclared"
    kinds = set(drifts.values())
    verdict = "in_sync" if kinds == {"none"} else "undeclared" if kinds == {"none", "undeclared"} else "drifted"
    findings = [*([_NO_KEY] if number % 9 == 4 else []), *([_NO_TLS] if number % 3 == 2 else [])]
    return audited(name, verdict, drifts, findings=findings, version="0.32.0" if number % 5 else "0.33.1")


def _past(fleet: dict, choice: random.Random) -> Past:
    """Return a day of hourly runs, in which most of what differs now has differed for some time."""
    begun = {site["name"]: choice.randrange(len(_HOURS)) for site in fleet["sites"]}
    recent = [
        Entry(site["name"], at, verdict, _HOURS[begun[site["name"]]] if verdict != "in_sync" else _HOURS[0], {})
        for hour, at in enumerate(_HOURS)
        for site in fleet["sites"]
        for verdict in [site["verdict"] if begun[site["name"]] <= hour else "in_sync"]
        if begun[site["name"]] < len(_HOURS) - 1 or choice.random() < 0.5
    ]
    return Past({entry.site: entry for entry in recent}, recent)
