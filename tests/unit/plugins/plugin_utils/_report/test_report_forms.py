# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as metrics, Markdown, CSV and JUnit's XML. Names of sites and adapters are anybody's text."""

from __future__ import annotations

import csv
import io
import re
import sys
from typing import Any
from xml.etree import ElementTree

import pytest

if sys.version_info < (3, 10):
    pytest.skip("These run on the controller.", allow_module_level=True)

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import DRIFTS, VERDICTS
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.history import (
    Entry,
    Past,
    entries_of,
    with_history,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.markdown import markdown
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.metrics import metrics
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.page import page
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.run import run_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.tables import as_csv, as_junit
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.text import changes_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.waivers import Waiver

from tests.support.audits import HOSTILE, audited, fleet_of

FINDING = {
    "id": "no_key",
    "severity": "high",
    "message": "Everyone can load adapters.",
    "fix": "Start it with --api-key.",
}
WAIVER = Waiver("waived", "*", "*", "2027-12-31", "a trial", "Ada")
ALL = (
    audited("sync", findings=[FINDING]),
    audited(HOSTILE, "drifted", {HOSTILE: "path", "chat": "path", "sql": "missing", "=1+1": "unexpected"}),
    audited("waived", "drifted", {"sql": "base_model"}),
    audited("more", "undeclared", {"sql": "none", "tmp": "undeclared"}),
    audited("off", "unreachable"),
    audited("back", as_of="2027-01-30T10:00:00+02:00", findings=[FINDING]),
)


def fleet(*sites: dict, **more: Any) -> dict:
    return fleet_of(*(sites or ALL), waivers=[WAIVER], **more)


def remembered(found: dict) -> dict:
    """The report with a history, in which every site but one was unreachable before."""
    names = [site["name"] for site in found["sites"] if site["name"] != "sync"]
    before = [Entry(name, "2027-01-01T00:00:00Z", "unreachable", "2026-12-01T00:00:00Z", {}) for name in names]
    past = Past({entry.site: entry for entry in before}, before)
    return with_history(found, past, entries_of(found, past))


SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\[\\n"])*",?)*)\})? (\S+)')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\\n]|\\[\\n"])*)"')


def samples(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Read the text format: name → values of the labels → value."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            name = line.split()[2]
            assert name not in found
            found[name] = {}
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {name} gauge"
        else:
            read = SAMPLE.fullmatch(line)
            assert read, line
            assert read[1] == name
            unescaped = [
                re.sub(r"\\(.)", lambda one: "\n" if one[1] == "n" else one[1], value)
                for _label, value in LABEL.findall(read[2] or "")
            ]
            assert tuple(unescaped) not in found[name]
            found[name][tuple(unescaped)] = float(read[3])
    return found


def test_metrics() -> None:
    found = samples(metrics(remembered(fleet())))
    assert all(name.startswith("sovereign_vllm_") for name in found)
    found = {name.removeprefix("sovereign_vllm_"): values for name, values in found.items()}
    assert found["audit_timestamp_seconds"] == {(): 1801382400}
    assert found["sites"] == {
        (v,): {"drifted": 2, "in_sync": 2, "failed": 0, "not_declared": 0}.get(v, 1) for v in VERDICTS
    }
    of_hostile = {verdict: found["site_verdict"][HOSTILE, verdict] for verdict in VERDICTS}
    assert of_hostile == {verdict: verdict == "drifted" for verdict in VERDICTS}
    assert found["site_waived"]["waived",] == 1 > found["site_waived"][HOSTILE,] == 0
    # A result that was carried back is as old as its audit.
    assert found["site_audit_timestamp_seconds"]["back",] == 1801296000
    assert found["site_audit_timestamp_seconds"]["sync",] == 1801382400
    assert found["site_verdict_since_timestamp_seconds"]["off",] == 1796083200
    drifts = {drift: found["site_drifted_adapters"][HOSTILE, drift] for drift in (*DRIFTS[1:], "undeclared")}
    assert drifts == {**dict.fromkeys(drifts, 0), "path": 2, "missing": 1, "unexpected": 1}
    assert not [labels for labels in found["site_drifted_adapters"] if labels[0] == "off"], "nothing is known"
    assert found["site_finding"] == {(name, "no_key", "high"): 1 for name in ("sync", "back")}
    assert "site_verdict_since" not in metrics(fleet())


CELL = r"(?:[^|\\]|\\.)*"


def table(text: str, after: str) -> list[list[str]]:
    """The cells of the rows of the table after this heading."""
    rows = []
    for line in text[text.index(after) :].split("\n")[2:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.findall(rf"\| ({CELL})", line)][: line.count(" | ") + 1])
    return rows


def test_markdown_begins_with_what_needs_attention() -> None:
    text = markdown(remembered(fleet()), "Adapters *of* <us>", 16000)
    assert text.startswith("### Adapters \\*of\\* \\<us\\>\n\n**3 of 6 sites need attention.** 6 sites (1 with waived")
    rows = table(text, "| Site | Verdict | Since |")
    assert [row[1] for row in rows] == ["drifted", "unreachable", "undeclared"]
    assert rows[1][0] == "`off`"
    assert rows[1][2:] == ["2026-12-01T00:00:00Z", "`The connection was refused.`"]
    assert "<details><summary>Changed since the run of 2027-01-01T00:00:00Z: 5</summary>" in text
    assert "<details><summary>Waived differences: 1</summary>" in text
    assert "(waived by Ada until 2027-12-31: a trial)" in text
    assert "| `high` | `no_key: Start it with --api-key.` | 2: `back, sync` |" in text
    # Text of others is in code spans only, each in its cell.
    outside = re.sub(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", "", text)
    assert not re.search(r"@all|<script|http:|evil", outside)
    assert all(len(re.findall(r"(?<!\\)\|", line)) in (4, 5) for line in text.split("\n") if line.startswith("|"))

    nothing = markdown(fleet(audited("a"), audited("back", as_of="2027-01-01T00:00:00Z")), "x", 1000)
    assert "**No site needs attention.**" in nothing
    assert "|" not in nothing
    carried = markdown(fleet(audited("back", "drifted", {"a": "path"}, as_of="2027-01-01T00:00:00Z")), "x", 1000)
    assert "**1 of 1 sites needs attention.**" in carried
    assert "| drifted, as of 2027-01-01T00:00:00Z |" in carried


@pytest.mark.parametrize("limit", [1000, 5000, 100_000])
def test_markdown_says_what_it_leaves_out(limit: int) -> None:
    many = [audited(f"{number:04} {HOSTILE * 20}", "drifted", {HOSTILE * 99: "path"}) for number in range(400)]
    run = run_of({"ansible_inventory_sources": ["x" * 500]})
    text = markdown(remembered(fleet(*many, *ALL, source="inventory", run=run)), "x" * 500, limit)
    assert len(text) <= limit
    shown = len(table(text, "| Site | Verdict | Since |")) if "| Since |" in text else 0
    assert f"Left out of this summary: {403 - shown} of 403 sites that need attention" in text
    assert text.rstrip().endswith("The report has them.")
    assert text.count("<details>") == text.count("</details>")


def test_csv_has_a_row_for_each_adapter() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(fleet()))))
    assert [(row["site"], row["adapter"]) for row in rows if row["verdict"] == "drifted"] == [
        *((HOSTILE, adapter) for adapter in (HOSTILE, "chat", "sql", "'=1+1")),
        ("waived", "sql"),
    ]
    by_name = {row["adapter"]: row for row in rows if row["site"] == HOSTILE}
    assert (by_name["chat"]["drift"], by_name["chat"]["served_path"]) == ("path", "/srv/served/chat")
    assert (by_name["sql"]["declared_path"], by_name["sql"]["served_path"]) == ("/srv/adapters/sql", "")
    (waived,) = (row for row in rows if row["site"] == "waived")
    assert (waived["counts_as"], waived["waived_until"]) == ("in_sync", "2027-12-31")
    (off,) = (row for row in rows if row["site"] == "off")
    assert (off["adapter"], off["reason"]) == ("", "The connection was refused.")
    assert {row["audited_at"] for row in rows if row["site"] == "back"} == {"2027-01-30T08:00:00Z"}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum(a1)", "\t=1", "\r=1"])
def test_no_text_is_a_formula_of_a_spreadsheet(text: str) -> None:
    (row,) = csv.DictReader(io.StringIO(as_csv(fleet_of(audited(text, "failed")))))
    assert row["site"] == f"'{text}"


def test_junit_has_a_case_for_each_site() -> None:
    suite = ElementTree.fromstring(as_junit(fleet(), "Fleet \x00 <&\ud800", []).encode())[0]
    assert suite.get("name") == "Fleet \ufffd <&\ufffd"
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "6", "failures": "1", "errors": "1", "skipped": "1"}
    outcomes = {case.get("name"): [child.tag for child in case] for case in suite}
    assert outcomes == {
        HOSTILE: ["failure"],
        "waived": ["skipped"],
        "off": ["error"],
        "more": [],
        "back": [],
        "sync": [],
    }
    (told,) = next(case for case in suite if case.get("name") == "off")
    assert (told.get("type"), told.text) == ("unreachable", "The connection was refused.")
    strict = ElementTree.fromstring(as_junit(fleet(), "x", ["undeclared"]).encode())[0]
    assert strict.get("failures") == "2"


def test_page_has_the_trend_without_a_script() -> None:
    shown = page(remembered(fleet()), "x").partition("<script>")[0]
    assert shown.count("<rect") == 5
    assert 'aria-label="Trend: in sync 0 → 2, undeclared 0 → 1' in shown
    assert "5 sites have changed since the run of <time" in shown
    assert "<svg" not in page(fleet(), "x")


def test_sites_are_shown_by_groups_that_tell_them_apart() -> None:
    of_all = {"edge1": ["north"], "edge2": ["south"], "edge10": ["canary", "north"], "edge3": []}
    sites = [audited(name, groups=["vllm", *groups]) for name, groups in of_all.items()]
    found = fleet_of(*sites)
    assert found["groups"] == ["north", "canary", "south"], "the largest first, without that of all"
    assert [site["name"] for site in found["sites"]] == ["edge1", "edge2", "edge3", "edge10"]
    sections = re.compile('scope="rowgroup"[^>]*>(.*?): <small>(.*?)<')
    assert sections.findall(page(found, "x")) == [
        ("north", "2 in sync"),
        ("south", "1 in sync"),
        ("in no group", "1 in sync"),
    ]
    rows = csv.DictReader(io.StringIO(as_csv(found)))
    assert {row["site"]: row["groups"] for row in rows}["edge10"] == "vllm canary north"

    chosen = fleet_of(*sites, groups=["canary", "nowhere", "vllm"])
    assert chosen["groups"] == ["canary", "vllm"]
    assert sections.findall(page(chosen, "x")) == [("canary", "1 in sync"), ("vllm", "3 in sync")]
    # Without groups, the table has no headings, and the page no filter.
    assert "rowgroup" not in page(fleet(), "x")
    assert 'id="group"' not in page(fleet(), "x")


def test_changes_are_told_by_their_kind() -> None:
    many = {f"t{number}": "unexpected" for number in range(12)}
    change = {"appeared": {"sql": "path", **many, "tmp": "undeclared"}, "gone": {"sql": "missing", "chat": "missing"}}
    named = ", ".join(f"t{number}" for number in range(10))
    assert changes_of(change) == [
        "now served from another path: sql",
        f"now not declared: {named} and 3 more",
        "no longer different: chat",
    ]
