# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show a report as CSV for a spreadsheet, and as JUnit's XML for a CI."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator, Mapping
from xml.etree import ElementTree

from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.text import JUDGED, reasons, word
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.times import audited_at

_SITE = ("site", "groups", "url", "version", "verdict", "counts_as", "since", "audited_at", "reason")
_ADAPTER = (
    "adapter",
    "adapter_verdict",
    "drift",
    "declared_path",
    "declared_parent",
    "served_path",
    "served_parent",
    "waived_until",
)
# A spreadsheet takes text with such a beginning for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# XML 1.0 cannot have these characters at all.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DECLARATION = '<?xml version="1.0" encoding="utf-8"?>'
_NO_FAILURE = ("in_sync", "undeclared")


def as_csv(fleet: Mapping) -> str:
    """Return one row for each adapter of a site, and one row for a site without any. The first row has the names."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*_SITE, *_ADAPTER])
    for site in fleet["sites"]:
        known = {
            **site,
            "site": site["name"],
            "groups": " ".join(site["groups"]),
            "audited_at": audited_at(fleet, site),
        }
        # The reason of a compared site is in the columns of its adapters.
        known["reason"] = " ".join(site["server"]) if site["verdict"] in JUDGED else site["reason"]
        for adapter in _adapters(site):
            writer.writerow([_as_text(value) for value in [*(known[name] for name in _SITE), *adapter]])
    return text.getvalue()


def _adapters(site: Mapping) -> Iterator[list]:
    for cell in site["adapters"]:
        served, waiver = cell["served"] or {}, cell["waiver"] or {}
        shown = [cell["name"], cell["verdict"], cell["drift"], cell["path"], cell["parent"]]
        yield [*shown, served.get("path"), served.get("parent"), waiver.get("until")]
    if not site["adapters"]:
        yield [None] * len(_ADAPTER)


def _as_text(value: object) -> str:
    """Return the value as text that is no formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def as_junit(fleet: Mapping, title: str, fail_on: Collection[str]) -> str:
    """Return one test case for each site.

    A drifted site is a failure. An undeclared one is a failure only if it is in ``fail_on``. A site that could not be
    compared is an error. A site whose differences are all waived is skipped.
    """
    suite = ElementTree.Element("testsuite", {"name": _xml(title), "timestamp": fleet["generated_at"]})
    totals = dict.fromkeys(("failure", "error", "skipped"), 0)
    for site in fleet["sites"]:
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": "sovereign.vllm.drift", "name": _xml(site["name"])}
        )
        outcome = _outcome(site, fail_on)
        if outcome:
            totals[outcome] += 1
            since = f" since {site['since']}" if site["since"] else ""
            told = ElementTree.SubElement(case, outcome, {"message": f"{word(site['verdict'])}{since}"})
            told.text = _xml("\n".join(reasons(site)))
            if outcome != "skipped":
                told.set("type", site["verdict"])
    suite.set("tests", str(len(fleet["sites"])))
    suite.set("failures", str(totals["failure"]))
    suite.set("errors", str(totals["error"]))
    suite.set("skipped", str(totals["skipped"]))
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return f"{_DECLARATION}\n{ElementTree.tostring(suites, encoding='unicode')}\n"


def _outcome(site: Mapping, fail_on: Collection[str]) -> str:
    verdict = site["counts_as"]
    if verdict not in JUDGED:
        return "error"
    if verdict not in _NO_FAILURE or verdict in fail_on:
        return "failure"
    return "skipped" if site["waived"] else ""


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
