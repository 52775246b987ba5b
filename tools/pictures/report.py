# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the report on a fleet that does not exist. The role `drift_report` writes it, from results that are made up."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

_NOW = datetime.now(timezone.utc).replace(microsecond=0, tzinfo=None)
_GROUPS = {"north": ("aalborg", "bergen", "hamburg", "turku"), "south": ("bari", "graz", "nice", "porto")}
_PATHS = {
    "contracts": "/srv/lora/contracts/71d0c2be94af",
    "sql": "/srv/lora/sql/4f2a9c01d7be",
    "summaries": "/srv/lora/summaries/90be11c2a7d4",
    "support-de": "/srv/lora/support-de/c83e5510b6f2",
    "translate": "/srv/lora/translate/05a4be77d1c9",
}
_NO_KEY = {
    "id": "no_key",
    "severity": "high",
    "message": "Everyone who reaches the server can load adapters.",
    "fix": "Start vLLM with --api-key.",
}
_REFUSED = (
    "Could not read what is served at http://{}:8000/v1/models: the connection was refused; check that the server runs."
)
_PORTAL = "The server answered 200 with no model list but a page of HTML with the title 'Welcome to Harbour WiFi'."
# Hours since which a site is as it is.
_SINCE = {"bergen-02": 11, "hamburg-01": 2, "nice-02": 20, "porto-01": 5}
_RUNS = 24
_PLAY = """
- name: Report on a fleet that is made up
  hosts: vllm
  gather_facts: false
  tasks:
    - name: Write the report
      ansible.builtin.import_role:
        name: sovereign.vllm.drift_report
"""


def write_page(directory: Path) -> Path:
    """Write the page into the directory, and return its path. Ansible finds the collection in ANSIBLE_COLLECTIONS_PATH."""
    results = {
        f"{city}-{number:02}": _in_sync() for cities in _GROUPS.values() for city in cities for number in (1, 2, 3)
    }
    _spoil(results)
    groups = {name: {"hosts": _hosts(results, cities)} for name, cities in _GROUPS.items()}
    inventory = {"vllm": {"children": groups, "vars": {"ansible_connection": "local"}}}
    (directory / "sites.yml").write_text(json.dumps(inventory))
    (directory / "report.yml").write_text(_PLAY)
    (directory / "history.jsonl").write_text("".join(_history(results)))
    variables = {"drift_report_directory": str(directory), "drift_report_history": str(directory / "history.jsonl")}
    command = ["ansible-playbook", "-i", "sites.yml", "report.yml", "-e", json.dumps(variables)]
    environment = {**os.environ, "LOGNAME": "ada"}  # the report names who ran the audit
    ran = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"The role drift_report failed:\n{ran.stdout}{ran.stderr}")
    return directory / "drift.html"


def _in_sync() -> dict:
    adapters = [_adapter(name, "none", path, path) for name, path in _PATHS.items()]
    return {"verdict": "in_sync", "version": "0.33.0", "adapters": adapters, "changed": False}


def _adapter(name: str, drift: str, path: str | None, served: str | None) -> dict:
    before = {"path": served, "parent": "llama-3.1-8b"} if served else None
    return {
        "name": name,
        "drift": drift,
        "declared": path is not None,
        "path": path,
        "parent": "llama-3.1-8b",
        "before": before,
    }


def _spoil(results: dict[str, dict]) -> None:
    """Give some sites each fault that a report can show."""
    gone = [_adapter(name, "missing", path, None) for name, path in list(_PATHS.items())[1:3]]
    moved = [_adapter("support-de", "path", _PATHS["support-de"], "/srv/lora/support-de/1b09f7ac3e60")]
    stray = [_adapter("trial-kim", "unexpected", None, "/tmp/trial-kim")]
    for site, differing in {"hamburg-01": gone, "porto-01": moved, "turku-03": stray}.items():
        names = {adapter["name"] for adapter in differing}
        kept = [adapter for adapter in _in_sync()["adapters"] if adapter["name"] not in names]
        results[site].update(verdict="drifted", changed=True, adapters=[*kept, *differing])
    results["bergen-02"] = _without_answer("unreachable", _REFUSED.format("bergen-02")) | {"unreachable": True}
    results["nice-02"] = _without_answer("not_vllm", _PORTAL) | {"verdict": "failed"}
    for site in ("graz-02", "turku-03"):
        results[site]["findings"] = [_NO_KEY]


def _without_answer(code: str, msg: str) -> dict:
    return {"verdict": code, "failed": True, "msg": msg, "error": {"code": code}, "adapters": []}


def _hosts(results: dict[str, dict], cities: tuple[str, ...]) -> dict[str, dict]:
    """Return the sites of these cities with their variables."""
    return {
        site: {
            "vllm_base_url": f"http://{site}:8000",
            "vllm_observed_at": _time(_SINCE.get(site, 0)),
            "drift_report_audit": result,
        }
        for site, result in results.items()
        if site.partition("-")[0] in cities
    }


def _history(results: dict[str, dict]) -> list[str]:
    """Return the lines of hourly runs, in which most of what differs now has differed for some time."""
    lines = []
    for hours in range(_RUNS, 0, -1):
        for site, result in results.items():
            is_as_now = hours <= _SINCE.get(site, 0)
            verdict = result["verdict"] if is_as_now else "in_sync"
            drifts = (
                {one["name"]: one["drift"] for one in result["adapters"] if one["drift"] != "none"} if is_as_now else {}
            )
            since = _time(_SINCE[site] if is_as_now else _RUNS)
            entry = {"site": site, "at": _time(hours), "verdict": verdict, "since": since}
            lines.append(json.dumps({**entry, "drifts": drifts, "more": 0, "format": 1}) + "\n")
    return lines


def _time(hours_ago: int) -> str:
    return (_NOW - timedelta(hours=hours_ago)).isoformat() + "Z"
