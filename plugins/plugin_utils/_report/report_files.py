# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the report and its files in one step: as a variable of Ansible, the report of a large fleet is slow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import VERDICTS
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.files import replace_file
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.audited_hosts import audited_sites
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.carried_results import with_results
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.drift_report import report
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.history import entries_of, with_history
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.history_file import record
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.markdown import SHORTEST, markdown
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.metrics import metrics
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.page import page
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.run import run_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.tables import as_csv, as_junit
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.text import (
    headline,
    line,
    lines,
    needing_attention,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.waivers import read_waivers
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.results import read_results

_FINDINGS = "drift_report_server"
_MODE = 0o644
# Form → its file in drift_report_directory. A person looks at the first one that is written.
_NAMES = {"html": "drift.html", "json": "drift.json", "csv": "drift.csv", "junit": "drift.xml"}


def write_report(variables: Mapping, settings: Mapping, generated_at: str) -> dict:
    """Return the result of the task that writes the files of the report, with the statistics of the job.

    :param variables: the variables of the task.
    :param settings: the settings of the role ``drift_report``.
    :param generated_at: the time of the report, as ISO 8601.
    :raises VllmError: ``invalid_request`` if a setting cannot be used.
    """
    results, problems = read_results(settings["results"], settings.get("result_signers"))
    waivers = read_waivers("drift_report_waivers", settings["waivers"], generated_at)
    _check(settings)
    batch = set(variables.get("ansible_play_batch", ()))
    rows, awaited = audited_sites(
        variables["hostvars"],
        settings.get("sites", variables.get("ansible_play_hosts_all", ())),
        [str(name) for name in variables.get("ansible_play_hosts", ()) if name not in batch],
        settings["result"],
        _FINDINGS,
        settings["declared"] if settings["source"] == "inventory" else None,
    )
    told: Iterable[Mapping] = rows
    if results or settings["source"] == "results":
        told = with_results(rows, results, variables["hostvars"], settings["source"] == "results")
    fleet = report(
        told,
        generated_at,
        settings["source"],
        awaited,
        settings["fail_on"],
        waivers,
        settings["groups"],
        run_of(variables),
    )
    fleet, warnings = _recorded(fleet, settings)
    shown = _write_forms(fleet, settings)
    summary = markdown(fleet, settings["title"], settings["markdown_limit"])
    if settings.get("markdown"):
        _write("drift_report_markdown", _file(settings["markdown"]), summary)
    if settings.get("textfile") and not awaited:
        _write("drift_report_textfile", _file(settings["textfile"]), metrics(fleet))
    see = f" See {shown}." if shown else ""
    failing = {site["name"]: f"{line(site)}.{see}" for site in fleet["sites"] if site["name"] in fleet["failing"]}
    # Only a host of the play can be failed by a later play.
    grouped = bool(failing) and settings["group_failing"] and set(failing) <= batch
    return {
        "changed": False,
        "lines": lines(fleet),
        "markdown": summary,
        "headline": headline(fleet),
        "attention": len(needing_attention(fleet)),
        "changes": len(fleet["history"]["changes"]) if fleet["history"] else 0,
        "page": shown,
        # A batch of a play is no news: the last one reports all sites.
        "notify": str(_file(settings["notify"])) if settings.get("notify") and not awaited else "",
        "warnings": [*problems, *warnings],
        "failing": failing if grouped else {},
        "failure": f"{fleet['failure']}{see}" if fleet["failure"] and not grouped else "",
        "ansible_stats": {"data": _statistics(fleet, shown), "aggregate": False, "per_host": False},
    }


def _check(settings: Mapping) -> None:
    """Refuse settings that cannot be used, before anything is written."""
    for name, least in (("history_days", 1), ("history_lines", 1), ("markdown_limit", SHORTEST)):
        if settings[name] < least:
            raise refused(f"drift_report_{name} is {settings[name]}", f"give {least} or more")
    notify = settings.get("notify")
    if notify and not _file(notify).is_file():
        problem = f"drift_report_notify is {quoted(_file(notify))}, which is not a file on the controller"
        raise refused(problem, "give a file with tasks")
    textfile = settings.get("textfile") or ""
    if textfile and not textfile.endswith(".prom"):
        problem = f"drift_report_textfile is {quoted(textfile)}, which the node exporter does not read"
        raise refused(problem, "give a file whose name ends in .prom")


def _file(path: str) -> Path:
    """Return the file, relative to where the playbook is started."""
    return Path(path).expanduser().resolve()


def _recorded(fleet: dict, settings: Mapping) -> tuple[dict, list[str]]:
    """Append the run to the history. Return the report with what the history tells, and the warnings.

    In a play with ``serial``, only the last batch is a run.
    """
    if not settings.get("history") or fleet["awaited"]:
        return fleet, []
    file = _file(settings["history"])
    names = [site["name"] for site in fleet["sites"]]
    past, now = record(file, names, settings["history_days"], settings["history_lines"], partial(entries_of, fleet))
    warnings = []
    if past.skipped:
        some = "1 line is" if past.skipped == 1 else f"{past.skipped} lines are"
        warnings = [
            f"In drift_report_history ({quoted(file)}), {some} damaged or foreign. The report ignores such lines, and keeps them."
        ]
    return with_history(fleet, past, now), warnings


def _write_forms(fleet: Mapping, settings: Mapping) -> str:
    """Write the files of ``drift_report_formats``, and return the one to look at."""
    title = settings["title"]
    forms = {
        "html": lambda: page(fleet, title),
        "json": lambda: json.dumps(fleet, indent=4, sort_keys=True, ensure_ascii=True) + "\n",
        "csv": lambda: as_csv(fleet),
        "junit": lambda: as_junit(fleet, title, settings["fail_on"]),
    }
    files = {form: _file(settings["directory"]) / name for form, name in _NAMES.items() if form in settings["formats"]}
    for form, file in files.items():
        _write("drift_report_directory", file, forms[form]())
    return str(next(iter(files.values()), ""))


def _statistics(fleet: Mapping, shown: str) -> dict:
    names = {
        f"drift_report_{verdict}": [site["name"] for site in fleet["sites"] if site["verdict"] == verdict]
        for verdict in VERDICTS
        if verdict != "in_sync"
    }
    return {"drift_report_summary": fleet["summary"], **names, "drift_report_page": shown}


def _write(option: str, file: Path, text: str) -> None:
    """Write the file at once, so that nobody reads half of it."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, text, _MODE)
    except OSError as problem:
        place = file.parent if option == "drift_report_directory" else file
        reason = f"{option} is {quoted(place)}, which cannot be written on the controller ({problem.strerror})"
        raise refused(reason, "make it writable for the user who runs Ansible, or choose another place") from None
