# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a report, and what the role returns about it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

if sys.version_info < (3, 10):
    pytest.skip("These run on the controller.", allow_module_level=True)

from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.report_files import write_report

from tests.support.audits import HOSTILE, audited


def test_the_run_is_named(tmp_path: Path) -> None:
    given = settings(tmp_path, formats=["html", "json"], markdown=str(tmp_path / "drift.md"), history="")
    write_report({"hostvars": {}, "ansible_limit": HOSTILE, "awx_job_id": 17}, given, "2027-01-31T08:00:00Z")
    told = (tmp_path / "report" / "drift.html").read_text()
    assert " · job 17 · limited to a|b" in told
    assert "&lt;script&gt;" in told
    assert told.count("<script>") == 1
    assert json.loads((tmp_path / "report" / "drift.json").read_text())["run"]["limit"] == HOSTILE
    assert "job 17" in (tmp_path / "drift.md").read_text()


def settings(tmp_path: Path, **more: Any) -> Mapping:
    files = {"directory": str(tmp_path / "report"), "history": str(tmp_path / "history"), "sites": []}
    defaults = {
        "history_days": 1,
        "history_lines": 1,
        "markdown_limit": 1000,
        "fail_on": [],
        "waivers": [],
        "groups": [],
    }
    others = {
        "title": "x",
        "results": [],
        "group_failing": False,
        "result": "audit",
        "source": "live",
        "formats": ["csv", "junit", "json"],
    }
    return {**files, **defaults, **others, **more}


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"history_days": 0}, "drift_report_history_days is 0; give 1 or more."),
        ({"history_lines": -1}, "drift_report_history_lines is -1; give 1 or more."),
        ({"markdown_limit": 999}, "drift_report_markdown_limit is 999; give 1000 or more."),
        ({"notify": "notify.yml"}, "notify.yml', which is not a file on the controller; give a file with tasks."),
        ({"textfile": "vllm.txt"}, "which the node exporter does not read; give a file whose name ends in .prom."),
    ],
)
def test_a_bad_setting_is_refused_before_anything_is_written(tmp_path: Path, setting: dict, words: str) -> None:
    with pytest.raises(VllmError) as refused:
        write_report({"hostvars": {}}, settings(tmp_path, **setting), "2027-01-31T08:00:00Z")
    assert refused.value.message.endswith(words)
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_written(tmp_path: Path) -> None:
    given = settings(
        tmp_path, textfile=str(tmp_path / "vllm.prom"), markdown=str(tmp_path / "chat" / "drift.md"), history=""
    )
    told = write_report({"hostvars": {}}, given, "2027-01-31T08:00:00Z")
    files = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert files == {"report/drift.csv", "report/drift.xml", "report/drift.json", "vllm.prom", "chat/drift.md"}
    assert {(tmp_path / file).stat().st_mode & 0o777 for file in files} == {0o644}
    assert told["failure"].endswith(f"See {tmp_path}/report/drift.json.")
    (tmp_path / "vllm.prom").unlink()
    (tmp_path / "vllm.prom").mkdir()
    with pytest.raises(VllmError, match=r"drift_report_textfile is '.*vllm.prom', which cannot be written"):
        write_report({"hostvars": {}}, given, "2027-01-31T08:00:00Z")


SOME = {"sync": "in_sync", "off": "unreachable"}


def test_results_for_those_who_tell_people(tmp_path: Path) -> None:
    (tmp_path / "tasks.yml").touch()
    hosts = {name: {"audit": audited(name, verdict)["result"]} for name, verdict in SOME.items()}
    given = settings(tmp_path, notify=str(tmp_path / "tasks.yml"), sites=list(SOME), history_lines=9)
    told = write_report({"hostvars": hosts}, given, "2027-01-31T08:00:00Z")
    assert (told["headline"], told["attention"], told["changes"]) == ("1 of 2 sites needs attention", 1, 0)
    assert told["markdown"].startswith("### x\n\n**1 of 2 sites needs attention.**")
    assert (told["page"], told["notify"]) == (f"{tmp_path}/report/drift.json", f"{tmp_path}/tasks.yml")
    hosts["off"] = hosts["sync"]
    told = write_report({"hostvars": hosts}, given, "2027-02-01T08:00:00Z")
    assert (told["headline"], told["attention"], told["changes"]) == ("No site needs attention", 0, 1)
    # Hosts of later batches come with a later call, which tells people.
    hosts["later"] = {}
    told = write_report({"hostvars": hosts, "ansible_play_hosts": ["later"]}, given, "2027-02-02T08:00:00Z")
    assert told["notify"] == ""
