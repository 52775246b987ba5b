# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a drift report, at 3, 40, 500 and 2,000 sites."""

from __future__ import annotations

import base64
import random
import re
from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.history import Past, entries_of, with_history
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.page import page
from axe_core_python.selenium import Axe
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.support.audits import NAMES, audited, fleet_of

DECLARED = ["sql", "summaries", NAMES[0], *(f"adapter-{number:02}" for number in range(17))]
FINDINGS = [
    {"id": "no_key", "severity": "high", "message": "Everyone can load adapters.", "fix": "Start it with --api-key."}
]


def _fleet(count: int) -> dict:
    """A fleet whose first site is unreachable, whose second lacks an adapter, and of which one site in ten differs."""
    choice = random.Random(20261123)
    sites = [audited("edge0", "unreachable", last_seen="2026-11-22T07:14:00Z")]
    for number in range(1, count):
        drifts = dict.fromkeys(DECLARED, "none")
        if number == 1:
            drifts["sql"] = "missing"
        elif choice.random() < 0.1:
            drifts[choice.choice(DECLARED)] = choice.choice(["path", "base_model", "missing"])
            drifts |= {f"stray-{number}-{place}": "unexpected" for place in range(choice.choice([0, 1, 30]))}
        differs = set(drifts.values()) != {"none"}
        findings = FINDINGS if number % 3 == 0 else []
        sites.append(
            audited(f"edge{number}", "drifted" if differs else "in_sync", drifts, findings=findings, version="0.32.0")
        )
    fleet = fleet_of(*sites, at="2026-11-23T18:50:00Z")
    return with_history(fleet, Past(), entries_of(fleet, Past()))


def _open(browser: webdriver.Chrome, directory: Path, fleet: dict) -> None:
    file = directory / "drift.html"
    file.write_text(page(fleet, "Adapters of the fleet"), encoding="utf-8")
    browser.get(file.as_uri())


def _shown(browser: webdriver.Chrome, table: str = "attention") -> list[str]:
    rows = browser.find_elements(By.CSS_SELECTOR, f"#{table} tbody tr:not([hidden]) th")
    return [row.get_property("textContent").split("http")[0].strip() for row in rows]


def _click(browser: webdriver.Chrome, verdict: str) -> None:
    browser.find_element(By.CSS_SELECTOR, f"button[data-show='{verdict}']").click()


@pytest.mark.parametrize("count", [3, 500])
def test_what_needs_attention_is_shown_and_can_be_filtered(
    browser: webdriver.Chrome, tmp_path: Path, count: int
) -> None:
    fleet = _fleet(count)
    differ = [site["name"] for site in fleet["sites"] if site["verdict"] != "in_sync"]
    browser.set_window_size(1280, 900)
    _open(browser, tmp_path, fleet)
    assert browser.title == "Adapters of the fleet"
    assert _shown(browser) == differ
    assert not browser.find_element(By.ID, "matrix").is_displayed(), "sites in sync are folded"
    chips = {
        one.get_attribute("data-show"): one.text for one in browser.find_elements(By.CSS_SELECTOR, "#counts button")
    }
    assert chips["unreachable"] == "? 1 unreachable"
    assert chips["in_sync"] == f"✓ {count - len(differ)} in sync"
    # Strays have one column together.
    assert len(browser.find_elements(By.CSS_SELECTOR, "#matrix thead th")) == 4 + len(DECLARED)

    _click(browser, "unreachable")
    assert _shown(browser) == ["edge0"]
    reason = browser.find_element(By.CSS_SELECTOR, "#attention tr:not([hidden]) td:last-child")
    assert re.match("Last seen Nov 22, 2026.* The connection was refused", reason.text)
    assert reason.find_element(By.TAG_NAME, "time").get_attribute("title") == "2026-11-22T07:14:00Z"

    # The filter is in the address, with which another person sees the same.
    address = browser.current_url
    assert address.endswith("#show=unreachable")
    browser.get("about:blank")
    browser.get(address)
    assert _shown(browser) == ["edge0"]

    _click(browser, "")
    search = browser.find_element(By.ID, "search")
    search.send_keys("EDGE1")
    assert _shown(browser)[0] == "edge1"
    assert all(name.startswith("edge1") for name in _shown(browser))
    assert "/srv/adapters/sql" in browser.find_element(By.CSS_SELECTOR, "#attention tr:not([hidden]) td li").text
    search.clear()
    search.send_keys("sql")
    assert "edge1" in _shown(browser)
    assert "edge0" not in _shown(browser)
    search.clear()
    search.send_keys(Keys.SPACE)
    browser.find_element(By.CSS_SELECTOR, "#sort option[value=name]").click()
    assert _shown(browser) == sorted(differ, key=lambda name: int(name[4:]))

    # By the keyboard as well.
    browser.find_element(By.CSS_SELECTOR, "button[data-show=in_sync]").send_keys(Keys.ENTER)
    assert browser.find_element(By.ID, "matrix").is_displayed()
    assert _shown(browser) == []
    assert len(_shown(browser, "matrix")) == count - len(differ)
    assert f"{count - len(differ)} of {count} sites" in browser.find_element(By.ID, "count").text


def test_it_is_small_and_needs_nothing_else(browser: webdriver.Chrome, tmp_path: Path) -> None:
    _open(browser, tmp_path, _fleet(2000))
    assert (tmp_path / "drift.html").stat().st_size < 4_000_000
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert not browser.find_elements(By.CSS_SELECTOR, "a, img, link, iframe")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible(browser: webdriver.Chrome, tmp_path: Path, width: int, scheme: str) -> None:
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 1280}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    _open(browser, tmp_path, _fleet(40))
    _click(browser, "")
    for details in browser.find_elements(By.TAG_NAME, "details"):
        browser.execute_script("arguments[0].open = true", details)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    # The policy of the page refuses the script, unless the browser is told to leave it aside.
    browser.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
    found = Axe().run(browser)
    assert {"color-contrast", "button-name"} <= {one["id"] for one in found["passes"]}
    assert [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found["violations"]] == []


@pytest.mark.parametrize(("count", "most"), [(40, 1), (500, 10)])
def test_it_can_be_printed(browser: webdriver.Chrome, tmp_path: Path, count: int, most: int) -> None:
    _open(browser, tmp_path, _fleet(count))
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    pdf = base64.b64decode(printed["data"])
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= most
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not browser.find_element(By.ID, "controls").is_displayed()
    assert "edge2" in browser.find_element(By.CSS_SELECTOR, ".paper").text, "sites in sync are named on paper"


def test_it_is_complete_without_script(browser: webdriver.Chrome, tmp_path: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    _open(browser, tmp_path, _fleet(3))
    assert _shown(browser) == ["edge1", "edge0"]
    assert _shown(browser, "matrix") == ["edge1", "edge0", "edge2"]
    assert not browser.find_elements(By.TAG_NAME, "button")
    assert not browser.find_element(By.ID, "controls").is_displayed()
    assert "2026-11-22T07:14:00Z" in browser.find_element(By.ID, "attention").text
    browser.find_element(By.CSS_SELECTOR, "#all summary").click()
    assert browser.find_element(By.ID, "matrix").is_displayed()
