# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of audits for tests of the report, without a fleet."""

from __future__ import annotations

from typing import Any

from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.drift_report import report

HOSTILE = "a|b`c\\|d\n[x](http://evil) @all <script>\"'=1"
NAMES = ("<script>document.title = 'pwned'</script>", HOSTILE)


def audited(name: str, verdict: str = "in_sync", drifts: dict[str, str] | None = None, **more: Any) -> dict:
    """Return a site as `report` takes it.

    :param drifts: adapter → its drift, or `undeclared`.
    :param more: entries of the result; `as_of`, `groups`, `last_seen`.
    """
    site = {"name": name, "server": None, "as_of": more.pop("as_of", None), "groups": more.pop("groups", [])}
    variables = {"vllm_base_url": f"http://{name}:8000", "vllm_observed_at": more.pop("last_seen", None)}
    result = {"verdict": verdict, "adapters": [_entry(*one) for one in (drifts or {"sql": "none"}).items()], **more}
    if verdict == "unreachable":
        result.update(unreachable=True, msg="The connection was refused.", error={"code": "unreachable"})
    if verdict == "failed":
        result.update(failed=True, msg="The answer is no list of models.", error={"code": "not_vllm"})
    return {**site, "variables": variables, "result": result}


def _entry(name: str, drift: str) -> dict:
    is_declared = drift not in ("undeclared", "unexpected")
    return {
        "name": name,
        "drift": "none" if drift == "undeclared" else drift,
        "declared": is_declared,
        "path": f"/srv/adapters/{name}",
        "parent": "tiny",
        "before": None
        if drift == "missing"
        else {"path": f"/srv/served/{name}", "parent": "old" if drift == "base_model" else "tiny"},
    }


def fleet_of(*sites: dict, at: str = "2027-01-31T08:00:00Z", source: str = "live", **more: Any) -> dict:
    """Return the report on these sites."""
    return report(sites, at, source, **more)
