# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waivers: differences that somebody accepts until a time. They belong to the report; converging ignores them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timezone
from fnmatch import fnmatchcase

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import DRIFTS
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import read_option, refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import quoted

#: As in an argument spec.
WAIVERS: dict = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "site": {"type": "str"},
        "adapter": {"type": "str", "default": "*"},
        "drift": {"type": "str", "default": "*"},
        "until": {"type": "str"},
        "reason": {"type": "str"},
        "by": {"type": "str"},
    },
}
#: The differences that the report tells apart. ``undeclared`` is an adapter that is served, not declared and no drift.
DIFFERENCES = (*DRIFTS[1:], "undeclared")
#: Those that somebody can accept for a time.
WAIVABLE = tuple(one for one in DIFFERENCES if one != "revoked")


@dataclass(frozen=True)
class Waiver:
    """One waiver. The first three are globs; ``until`` is the text as written, for people."""

    site: str
    adapter: str
    drift: str
    until: str
    reason: str
    by: str

    def covers(self, site: str, adapter: str, drift: str) -> bool:
        """Return whether this difference is waived. A difference of the server has no adapter."""
        return fnmatchcase(site, self.site) and fnmatchcase(adapter, self.adapter) and fnmatchcase(drift, self.drift)

    def as_dict(self) -> dict:
        return {"until": self.until, "reason": self.reason, "by": self.by}


def read_waivers(name: str, given: object, generated_at: str) -> list[Waiver]:
    """Return the waivers that are in force when the report is made.

    :param name: names the variable or the option in sentences.
    :param given: a list, or text that is a list in JSON.
    :param generated_at: the time of the report, as ISO 8601.
    :raises VllmError: ``invalid_request``, also for a mistake in a waiver that is no longer in force.
    """
    found = read_option(name, given, WAIVERS)
    written: Sequence[dict] = found if isinstance(found, list) else ()
    ends = [_checked(f"item {number} of {name}", waiver) for number, waiver in enumerate(written, 1)]
    if not ends:
        return []
    now = _moment(generated_at, time.min)
    if now is None:
        raise refused(f"generated_at is {quoted(generated_at)}", "give a time as ISO 8601")
    return [
        Waiver(
            waiver["site"],
            waiver.get("adapter", "*"),
            waiver.get("drift", "*"),
            waiver["until"],
            waiver["reason"],
            waiver.get("by", ""),
        )
        for waiver, end in zip(written, ends, strict=True)
        if now <= end
    ]


def _checked(where: str, waiver: dict) -> datetime:
    """Return the end of the waiver."""
    for option, advice in (
        ("site", "name the site, as a glob"),
        ("until", "give the last day, such as 2027-01-31"),
        ("reason", "say why the difference is accepted"),
    ):
        if not (waiver.get(option) or "").strip():
            raise refused(f"{where} has no {option}", advice)
    drift = waiver.get("drift", "*")
    if not any(fnmatchcase(word, drift) for word in WAIVABLE):
        raise refused(
            f"option drift of {where} is {quoted(drift)}, which no difference matches", f"use {', '.join(WAIVABLE)}"
        )
    end = _moment(waiver["until"], time.max)
    if end is None:
        raise refused(
            f"option until of {where} is {quoted(waiver['until'])}", "give a day or a time, such as 2027-01-31"
        )
    return end


def _moment(text: str, of_day: time) -> datetime | None:
    """Return the time that ISO 8601 text means, in UTC unless it says otherwise, or None if it is no such text.

    :param of_day: the time that a mere day stands for.
    """
    text = text.strip()
    if text.endswith(("Z", "z")):
        # Before Python 3.11, the library does not know this suffix.
        text = f"{text[:-1]}+00:00"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if len(text) <= len("2027-01-31"):
        moment = datetime.combine(moment, of_day)
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
