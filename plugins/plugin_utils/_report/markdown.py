# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show a report as Markdown, for a chat and for merge requests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.sovereign.vllm.plugins.module_utils._errors import printable
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.text import (
    changes_of,
    counted,
    headline,
    needing_attention,
    reasons,
    run_words,
    word,
)

#: A limit must leave room for the title, the counts, and the sentences about what is left out.
SHORTEST = 1000
# A reason of a table, and the title, in characters.
_REASON = 300
_TITLE = 100
# Room for the sentences about what is left out.
_RESERVED = 400
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&@:$])")
_ATTENTION = ("Site", "Verdict", "Since", "Reason")
_CHANGES = ("Site", "Before", "Now", "Differences")
_WAIVED = ("Site", "Verdict", "Reason")
_FINDINGS = ("Severity", "Finding", "Sites")


def markdown(fleet: Mapping, title: str, limit: int) -> str:
    """Return the summary: the sites that need attention first, then folded details.

    Text of servers and inventories is in code spans, in which it is neither markup nor a link, and notifies nobody.

    :param limit: number of characters that the summary may have, at least :data:`SHORTEST`. It says what it leaves out.
    """
    waived = [site for site in fleet["sites"] if site["waived"]]
    history = fleet["history"]
    made = _Summary(limit, _opening(fleet, title))
    made.table("", _ATTENTION, [_attention(site) for site in needing_attention(fleet)], "sites that need attention")
    if history:
        changes = [_change(change) for change in history["changes"]]
        shown = f"Changed since the run of {history['previous_run']}"
        made.table(shown, _CHANGES, changes, "sites that changed")
    made.table("Waived differences", _WAIVED, [_waived(site) for site in waived], "sites with waived differences")
    made.table("Findings about servers", _FINDINGS, _findings(fleet["sites"]), "kinds of findings")
    return made.text()


class _Summary:
    """Text that grows up to a limit."""

    def __init__(self, limit: int, opening: str) -> None:
        self._left = limit - _RESERVED - len(opening)
        self._blocks = [opening]
        self._left_out: list[str] = []

    def table(self, title: str, columns: Sequence[str], rows: Sequence[str], what: str) -> None:
        """Add a table as far as it fits, folded if it has a title."""
        head = f"{_row(*columns)}\n|{'---|' * len(columns)}"
        before, after = (
            (f"<details><summary>{title}: {len(rows)}</summary>\n\n", "\n\n</details>") if title else ("", "")
        )
        room = self._left - len(before) - len(head) - len(after) - 2
        fitting = 0
        for row in rows:
            room -= len(row) + 1
            if room < 0:
                break
            fitting += 1
        if fitting:
            self._blocks.append(before + "\n".join([head, *rows[:fitting]]) + after)
            self._left -= len(self._blocks[-1]) + 2
        if fitting < len(rows):
            self._left_out.append(f"{len(rows) - fitting} of {len(rows)} {what}")

    def text(self) -> str:
        if self._left_out:
            self._blocks.append(f"Left out of this summary: {', '.join(self._left_out)}. The report has them.")
        return "\n\n".join(self._blocks) + "\n"


def _opening(fleet: Mapping, title: str) -> str:
    how = "Audited" if fleet["source"] == "live" else "As the inventory saw the sites, reported"
    more = f" {len(fleet['awaited'])} more sites are still to be audited." if fleet["awaited"] else ""
    run = " · ".join(run_words(fleet["run"]))
    times = f"{how} at {fleet['generated_at']}.{more}{f' Run: {_code(run)}.' if run else ''}"
    failure = "\n\nThe audit has failed." if fleet["failure"] else ""
    return f"### {_escaped(title[:_TITLE])}\n\n**{headline(fleet)}.** {counted(fleet['summary'])}.{failure}\n\n{times}"


def _attention(site: Mapping) -> str:
    # The time of a result that was carried back matters as much as its verdict.
    as_of = f", as of {site['as_of']}" if site["as_of"] else ""
    return _row(_code(site["name"]), f"{word(site['counts_as'])}{as_of}", site["since"] or "", _reason(site))


def _waived(site: Mapping) -> str:
    return _row(_code(site["name"]), f"{word(site['verdict'])}, counts as {word(site['counts_as'])}", _reason(site))


def _reason(site: Mapping) -> str:
    return _code("; ".join(reasons(site)), _REASON)


def _change(change: Mapping) -> str:
    details = "; ".join(changes_of(change))
    before = word(change["before"]) if change["before"] else "new"
    return _row(_code(change["site"]), before, word(change["after"]), _code(details, _REASON) if details else "")


def _findings(sites: Iterable[Mapping]) -> list[str]:
    """Return one row for each kind of finding, since many sites have the same."""
    kinds: dict[tuple[str, str, str], list[str]] = {}
    for site in sites:
        for finding in site["findings"]:
            kind = (str(finding.get("severity")), str(finding.get("id")), str(finding.get("fix")))
            kinds.setdefault(kind, []).append(site["name"])
    # `high` comes before `medium`.
    shown = sorted(kinds.items(), key=lambda kind: (kind[0][0], -len(kind[1]), kind[0][1]))
    return [
        _row(
            _code(severity), _code(f"{identifier}: {fix}", _REASON), f"{len(names)}: {_code(', '.join(names), _REASON)}"
        )
        for (severity, identifier, fix), names in shown
    ]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _code(text: object, limit: int = _TITLE) -> str:
    """Return untrusted text as a code span for the cell of a table."""
    shown = printable(text)
    shown = f"{shown[: limit - 1]}…" if len(shown) > limit else shown
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    # A bar ends a cell also in a code span, unless there is one backslash before it.
    shown = re.sub(r"\\(?=\|)", r"\\ ", shown).replace("|", "\\|")
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}" if shown.strip() else "-"


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", printable(text))
