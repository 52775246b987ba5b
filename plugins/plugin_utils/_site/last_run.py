# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the runs of the agent came to: the verdict on each server, one sentence, and the files that keep it.

``results/last.json`` is the last run, and ``results/run-<number>.json`` are the last ones. A run has ``format``, ``number``,
``started_at`` and ``ended_at`` (ISO 8601, by the clock of the site), ``serial`` (of the applied bundle, or null), ``ok``,
``message``, ``collection`` (its version) and ``sites``. Each of these has ``name``, ``verdict`` (as in a report), ``changed``,
``reason``, ``error`` and ``adapters`` (as in a report).
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, printable
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.layout import FORMAT, Layout, replace_file
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.playing import Outcome

#: Verdicts on a server that serves every declared adapter.
GOOD = ("in_sync", "undeclared")
_NUMBERED = re.compile(r"run-([0-9]{1,12})[.]json")
_CLAUSES = {
    "in_sync": "{name} serves the declared adapters",
    "undeclared": "{name} serves the declared adapters, and others",
    "drifted": "{name} does not serve what is declared",
    "unreachable": "{name} does not answer",
    "not_declared": "{name} has no declaration",
}
_OTHER = "{name} could not be audited"
_FAILED = "{name} could not be converged"


@dataclass(frozen=True)
class SiteRun:
    """What a run came to at one server.

    :param verdict: as in a report.
    :param changed: whether the run changed anything.
    :param failure: why the run could not converge the server, or nothing.
    :param row: the entry of the report.
    """

    name: str
    verdict: str
    changed: bool
    failure: str
    row: Mapping

    @property
    def is_good(self) -> bool:
        return self.verdict in GOOD and not self.failure

    def as_dict(self) -> dict:
        return {
            "name": self.name,
            "verdict": self.verdict,
            "changed": self.changed,
            "reason": self.reason,
            "error": self.row.get("error"),
            "adapters": self.row.get("adapters", []),
        }

    @property
    def reason(self) -> str:
        return self.failure or str(self.row.get("reason") or "")

    def clause(self) -> str:
        """Return what became of the server, without a full stop."""
        told = _CLAUSES.get(self.verdict, _OTHER)
        if self.is_good:
            return told.format(name=self.name) + (" again, after a repair" if self.changed else "")
        reason = self.reason.strip().rstrip(".")
        text = (_FAILED if self.verdict in GOOD else told).format(name=self.name)
        return f"{text}: {reason}" if reason else text


def site_runs(outcomes: Iterable[Outcome], rows: Iterable[Mapping]) -> dict[str, SiteRun]:
    """Join what the playbooks of a run did with what the last audit saw. Return the servers by name.

    :param outcomes: of the playbooks that converged, the oldest first. A later one may be for fewer servers.
    :param rows: the sites of the report.
    """
    changed: set[str] = set()
    failures: dict[str, str] = {}
    for outcome in outcomes:
        changed.update(host for host, is_changed in outcome.hosts.items() if is_changed)
        failures.update({**dict.fromkeys(outcome.hosts, ""), **outcome.reasons})
    found = {}
    for row in rows:
        name, verdict = str(row["name"]), str(row["verdict"])
        # The report says why a server did not answer.
        failure = "" if verdict == "unreachable" else failures.get(name, "")
        found[name] = SiteRun(name, verdict, name in changed, failure, row)
    return found


def sentence(sites: Iterable[SiteRun], serial: int | None) -> str:
    """Return one sentence about a run: the servers that need a person first."""
    ordered = sorted(sites, key=lambda site: (site.is_good, site.name))
    what = f" (bundle {serial})" if serial is not None else ""
    return printable("; ".join(site.clause() for site in ordered)) + f"{what}."


def write_run(layout: Layout, run: Mapping, keep: int) -> dict:
    """Write the run with the next number, and remove the oldest runs. Return the run as it was written.

    :param keep: how many runs to keep.
    :raises VllmError: ``store_error`` if it cannot be written.
    """
    numbered = _numbered(layout.results)
    number = max(numbered, default=0) + 1
    written = {"format": FORMAT, "number": number, **run}
    content = json.dumps(written, indent=2).encode() + b"\n"
    replace_file(layout.results / f"run-{number}.json", content)
    replace_file(_last(layout), content)
    for old in sorted({*numbered, number})[:-keep]:
        with contextlib.suppress(OSError):
            (layout.results / f"run-{old}.json").unlink()
    return written


def _numbered(results: Path) -> set[int]:
    if not results.is_dir():
        return set()
    found = (_NUMBERED.fullmatch(entry.name) for entry in results.iterdir())
    return {int(match[1]) for match in found if match}


def _last(layout: Layout) -> Path:
    return layout.results / "last.json"


def read_last(layout: Layout) -> dict | None:
    """Return the last run, or None if there was none.

    :raises VllmError: ``store_error`` if it cannot be read.
    """
    try:
        run = json.loads(_last(layout).read_text(encoding="utf-8"))
        return {"ok": bool(run["ok"]), "ended_at": str(run["ended_at"]), "message": str(run["message"]), **run}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "run as a user who may read it, or wait for the next run of the agent, which replaces it"
        raise VllmError("store_error", f"{_last(layout)} cannot be read ({printable(error)})", hint) from None
