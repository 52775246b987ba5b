# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell from earlier runs since when a site has its verdict, what has changed, and the trend of the fleet."""

from __future__ import annotations

import collections
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import VERDICTS
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.text import JUDGED, drifts_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.times import audited_at, in_utc

#: The trend shows this many runs.
RUNS = 30
# A line names this many differing adapters, since a server can list any number of them.
_NAMED = 100
_FORMAT = 1
_LENGTH_OF_TIME = len("2027-01-31T08:00:00Z")
_KINDS = {"site": str, "at": str, "verdict": str, "since": str, "drifts": dict, "more": int, "format": int}


@dataclass(frozen=True)
class Entry:
    """One site in one run. Times are in UTC, as ``2027-01-31T08:00:00Z``, so that they sort as text.

    :param at: the time of the run.
    :param since: the time since which the site has had this verdict.
    :param drifts: adapters that differ → their drift, or ``undeclared``.
    :param more: the number of further adapters that differ.
    """

    site: str
    at: str
    verdict: str
    since: str
    drifts: Mapping[str, str]
    more: int = 0

    def as_line(self) -> bytes:
        """Return the line of the file. The site comes first, so that a line of another site is passed over quickly."""
        values = {**self.__dict__, "format": _FORMAT}
        return json.dumps(values, separators=(",", ":"), ensure_ascii=True).encode("ascii") + b"\n"


def read_entry(line: bytes) -> Entry | None:
    """Return the entry of a line, or None if the line is something else."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or {key: type(value) for key, value in found.items()} != _KINDS:
        return None
    if found.pop("format") != _FORMAT or found["verdict"] not in VERDICTS:
        return None
    drifts = found["drifts"].values()
    are_times = _is_time(found["at"]) and _is_time(found["since"])
    return Entry(**found) if are_times and all(isinstance(drift, str) for drift in drifts) else None


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text[:-1])
    except ValueError:
        return False
    return len(text) == _LENGTH_OF_TIME and text[10] == "T" and text.endswith("Z")


@dataclass(frozen=True)
class Past:
    """What the file tells about the sites of a report.

    :param latest: the last entry of each site.
    :param recent: the entries of the last runs, in the order of the file.
    :param skipped: number of lines, among those that were read, that are no entries.
    """

    latest: Mapping[str, Entry] = field(default_factory=dict)
    recent: Sequence[Entry] = ()
    skipped: int = 0


def entries_of(fleet: Mapping, past: Past) -> list[Entry]:
    """Return the entries of this run.

    :param fleet: the report.
    """
    return [_entry(fleet, site, past.latest.get(site["name"])) for site in fleet["sites"]]


def _entry(fleet: Mapping, site: Mapping, before: Entry | None) -> Entry:
    verdict = site["verdict"]
    differing = drifts_of(site)
    since = before.since if before and before.verdict == verdict else audited_at(fleet, site)
    named = dict(sorted(differing.items())[:_NAMED])
    return Entry(site["name"], in_utc(fleet["generated_at"]), verdict, since, named, len(differing) - len(named))


def with_history(fleet: Mapping, past: Past, now: Sequence[Entry]) -> dict:
    """Return the report with ``history``, and with ``since`` of each site.

    :param now: the entries of this run.
    """
    since = {entry.site: entry.since for entry in now}
    runs = [entry.at for entry in past.recent]
    return {
        **fleet,
        "sites": [{**site, "since": since.get(site["name"])} for site in fleet["sites"]],
        "history": {
            "previous_run": runs[-1] if runs else None,
            "changes": [change for entry in now for change in _change(past.latest.get(entry.site), entry, bool(runs))],
            "trend": _trend(past, now),
        },
    }


def _change(before: Entry | None, entry: Entry, has_past: bool) -> Iterable[dict]:
    """Yield how the site has changed since its last run. Without a past, no site is new."""
    if before is None:
        if has_past:
            yield {"site": entry.site, "before": None, "after": entry.verdict, "appeared": {}, "gone": {}}
        return
    appeared: dict = {}
    gone: dict = {}
    if {before.verdict, entry.verdict} <= set(JUDGED) and not before.more and not entry.more:
        appeared = {name: drift for name, drift in entry.drifts.items() if before.drifts.get(name) != drift}
        gone = {name: drift for name, drift in before.drifts.items() if entry.drifts.get(name) != drift}
    if appeared or gone or before.verdict != entry.verdict:
        verdicts = {"before": before.verdict, "after": entry.verdict}
        yield {"site": entry.site, **verdicts, "appeared": appeared, "gone": gone}


def _trend(past: Past, now: Sequence[Entry]) -> list[dict]:
    """Return the number of sites by verdict, for each run, the oldest first.

    A run can be about some sites only, so each site counts with its last verdict. A site that has no entry yet counts from
    the time since which its first entry has its verdict.
    """
    sites = {entry.site for entry in now}
    runs: dict[str, list[Entry]] = {}
    for entry in [*past.recent, *now]:
        runs.setdefault(entry.at, []).append(entry)
    recent = {entry.site for entry in past.recent}
    verdicts = {name: entry.verdict for name, entry in past.latest.items() if name not in recent}
    coming: dict[str, Entry] = {}
    for entry in [*past.recent, *now]:
        if entry.site in sites and entry.site not in verdicts:
            coming.setdefault(entry.site, entry)
    trend = []
    for at in sorted(runs):
        verdicts.update({entry.site: entry.verdict for entry in runs[at] if entry.site in sites})
        for name in [name for name, entry in coming.items() if entry.since <= at]:
            verdicts.setdefault(name, coming.pop(name).verdict)
        counts = collections.Counter(verdicts.values())
        trend.append({"at": at, **{verdict: counts[verdict] for verdict in VERDICTS}})
    return trend[-RUNS:]
