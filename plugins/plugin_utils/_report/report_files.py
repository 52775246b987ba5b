# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the report and its two files in one step: as a variable of Ansible, the report of a large fleet is slow."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import VERDICTS
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.audited_hosts import audited_sites
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.drift_report import lines, page, report
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.waivers import read_waivers

_FINDINGS = "drift_report_server"
_MODE = 0o644


def write_report(variables: Mapping, settings: Mapping, generated_at: str) -> dict:
    """Return the result of the task that writes ``drift.json`` and ``drift.html``, with the statistics of the job.

    :param variables: the variables of the task.
    :param settings: the settings of the role ``drift_report``.
    :param generated_at: the time of the report, as ISO 8601.
    :raises VllmError: ``invalid_request`` if a waiver or the directory cannot be used.
    """
    waivers = read_waivers("drift_report_waivers", settings["waivers"], generated_at)
    batch = set(variables.get("ansible_play_batch", ()))
    rows, awaited = audited_sites(
        variables["hostvars"],
        settings.get("sites", variables.get("ansible_play_hosts_all", ())),
        [str(name) for name in variables.get("ansible_play_hosts", ()) if name not in batch],
        settings["result"],
        _FINDINGS,
        settings["declared"] if settings["source"] == "inventory" else None,
    )
    fleet = report(rows, generated_at, settings["source"], awaited, settings["fail_on"], waivers)
    # Relative to where the playbook is started.
    directory = Path(settings["directory"]).expanduser().resolve()
    _write(directory, "drift.json", json.dumps(fleet, indent=4, sort_keys=True, ensure_ascii=True) + "\n")
    _write(directory, "drift.html", page(fleet, settings["title"]))
    shown = str(directory / "drift.html")
    return {
        "changed": False,
        "lines": lines(fleet),
        "failure": f"{fleet['failure']} See {shown}." if fleet["failure"] else "",
        "ansible_stats": {"data": _statistics(fleet, shown), "aggregate": False, "per_host": False},
    }


def _statistics(fleet: Mapping, shown: str) -> dict:
    names = {
        f"drift_report_{verdict}": [site["name"] for site in fleet["sites"] if site["verdict"] == verdict]
        for verdict in VERDICTS
        if verdict != "in_sync"
    }
    return {"drift_report_summary": fleet["summary"], **names, "drift_report_page": shown}


def _write(directory: Path, name: str, text: str) -> None:
    """Write the file at once, so that nobody reads half of it."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=directory)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(temporary, _MODE)
            os.replace(temporary, directory / name)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as problem:
        reason = f"{directory} cannot be written ({problem.strerror})"
        raise VllmError("invalid_request", reason, "set drift_report_directory to another directory") from None
