# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a drift report, at 3 and at 500 sites."""

from __future__ import annotations

import base64
import random
from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.drift_report import page, report
from selenium import webdriver
from selenium.webdriver.common.by import By

NAMES = [
    "sql",
    "summaries",
    "<script>document.title = 'pwned'</script>",
    *(f"adapter-{number:02}" for number in range(17)),
]
UNREACHABLE = {
    "unreachable": True,
    "msg": "Could not read what is served: the connection was refused.",
    "error": {"code": "unreachable"},
}


def _fleet(count: int) -> dict:
    """A fleet whose first site is unreachable, whose second lacks an adapter, and whose others are mostly in sync."""
    choice = random.Random(20261123)
    sites = []
    for number in range(count):
        drifts = [
            "none" if choice.random() < 0.98 else choice.choice(["path", "base_model", "unexpected"]) for _name in NAMES
        ]
        if number == 1:
            drifts[0] = "missing"
        entries = [
            {
                "name": name,
                "drift": drift,
                "action": "none" if drift == "none" else "load",
                "path": f"/srv/adapters/{name}",
                "before": None if drift == "missing" else {"path": f"/srv/other/{name}", "parent": "tiny"},
            }
            for name, drift in zip(NAMES, drifts, strict=True)
        ]
        variables = {
            "vllm_base_url": f"http://10.1.{number // 250}.{number % 250}:8000",
            "vllm_server_version": "0.32.0",
        }
        variables["vllm_observed_at"] = "2026-11-22T07:14:00Z"
        changed = any(drift != "none" for drift in drifts)
        audit = {"adapters": entries, "changed": changed, "verdict": "drifted" if changed else "in_sync"}
        result = UNREACHABLE if number == 0 else audit
        sites.append({"name": f"edge{number:03}", "result": result, "variables": variables, "server": None})
    return report(sites, "2026-11-23T18:50:00Z", "live")


def _open(browser: webdriver.Chrome, directory: Path, fleet: dict) -> None:
    file = directory / "drift.html"
    file.write_text(page(fleet, "Adapters of the fleet"), encoding="utf-8")
    browser.get(file.as_uri())


def _shown(browser: webdriver.Chrome) -> list[str]:
    rows = browser.find_elements(By.CSS_SELECTOR, "tbody tr:not([hidden]) th")
    return [row.text.split("\n")[0] for row in rows]


@pytest.mark.parametrize("count", [3, 500])
def test_all_sites_are_shown_and_can_be_filtered(browser: webdriver.Chrome, tmp_path: Path, count: int) -> None:
    fleet = _fleet(count)
    browser.set_window_size(1280, 900)
    _open(browser, tmp_path, fleet)
    assert browser.title == "Adapters of the fleet"
    assert len(browser.find_elements(By.CSS_SELECTOR, "tbody tr")) == count
    assert len(browser.find_elements(By.CSS_SELECTOR, "thead th")) == 2 + len(NAMES)
    # The table scrolls, so that its headings stay; the page around it does not as well.
    assert browser.execute_script("return document.documentElement.scrollHeight <= innerHeight")

    browser.find_element(By.CSS_SELECTOR, "button[data-show=unreachable]").click()
    assert _shown(browser) == ["edge000"]
    reason = browser.find_element(By.CSS_SELECTOR, "td.reason")
    assert "Last seen 2026-11-22T07:14:00Z" in reason.text
    assert reason.value_of_css_property("font-weight") == "400"

    browser.find_element(By.CSS_SELECTOR, "button[data-show=missing]").click()
    assert _shown(browser) == ["edge001"]

    browser.find_element(By.CSS_SELECTOR, "button[data-show='']").click()
    browser.find_element(By.ID, "search").send_keys("EDGE002")
    assert _shown(browser) == ["edge002"]


def test_it_is_small_and_needs_nothing_else(browser: webdriver.Chrome, tmp_path: Path) -> None:
    _open(browser, tmp_path, _fleet(500))
    assert (tmp_path / "drift.html").stat().st_size < 3_000_000
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert not browser.find_elements(By.CSS_SELECTOR, "a, img, link, iframe")


def test_a_phone_shows_it_without_scrolling_sideways(browser: webdriver.Chrome, tmp_path: Path) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    )
    _open(browser, tmp_path, _fleet(3))
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    # What is in sync takes no room there, what is not says which adapter it is.
    labels = [
        cell.get_dom_attribute("data-adapter")
        for cell in browser.find_elements(By.CSS_SELECTOR, "td.missing")
        if cell.is_displayed()
    ]
    assert labels == ["sql"]
    assert not [
        cell for cell in browser.find_elements(By.CSS_SELECTOR, "td.in_sync[data-adapter]") if cell.is_displayed()
    ]


def test_it_can_be_printed(browser: webdriver.Chrome, tmp_path: Path) -> None:
    _open(browser, tmp_path, _fleet(3))
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not browser.find_element(By.ID, "controls").is_displayed()
    assert base64.b64decode(browser.print_page()).startswith(b"%PDF")


def test_it_is_complete_without_script(browser: webdriver.Chrome, tmp_path: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    _open(browser, tmp_path, _fleet(3))
    assert sorted(_shown(browser)) == ["edge000", "edge001", "edge002"]
    assert not browser.find_element(By.ID, "controls").is_displayed()
