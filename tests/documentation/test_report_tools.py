# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other tools read the forms of the report: Prometheus' promtool its metrics, a Markdown parser its summary."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import Any

import pytest
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.history import Past, entries_of, with_history
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.markdown import markdown
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.metrics import metrics
from markdown_it import MarkdownIt

from tests.support.audits import HOSTILE, NAMES, audited, fleet_of

PROMTOOL = shutil.which("promtool", path=os.pathsep.join([os.environ["PATH"], os.environ.get("PROMTOOL_PATH", "")]))
FINDING = {"id": "no_key", "severity": "high", "message": HOSTILE, "fix": HOSTILE}


@pytest.fixture(scope="module")
def fleet() -> dict[str, Any]:
    """Sites in all kinds of states, with names that are markup to both tools."""
    drifts = ("path", "missing", "unexpected", "undeclared", "base_model")
    sites = [audited(f"{name} {drift}", "drifted", {name: drift}) for name in NAMES for drift in drifts]
    sites += [audited("off", "unreachable"), audited("odd", "failed"), audited("back", as_of="2027-01-01T00:00:00Z")]
    found = fleet_of(*sites, audited("sync", findings=[FINDING]))
    return with_history(found, Past(), entries_of(found, Past()))


@pytest.mark.skipif(not PROMTOOL, reason="promtool is not installed. The session documentation gets it from Debian.")
def test_promtool_finds_nothing_to_improve(fleet: dict[str, Any]) -> None:
    told = subprocess.run(
        [str(PROMTOOL), "check", "metrics"], input=metrics(fleet), capture_output=True, text=True, check=False
    )
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


def test_names_are_neither_markup_nor_links(fleet: dict[str, Any]) -> None:
    shown = MarkdownIt("commonmark").enable("table").render(markdown(fleet, HOSTILE, 16000))
    assert not re.search("<(a|script|img|em)[ >]", shown)
    rows = re.findall(r"<tr>\n(.*?)</tr>", shown, re.DOTALL)
    assert {row.count("<td") for row in rows} == {0, 3, 4}, "no name ends a cell"
    # Only in code is a name no mention and no link for those who read it elsewhere.
    text = re.sub(r"<code>.*?</code>", "", shown, flags=re.DOTALL)
    assert "evil" not in text.partition("</h3>")[2]
    assert "@all" not in text.partition("</h3>")[2]
