# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a drift report, at 3, 40, 500 and 2,000 sites."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.page import page
from axe_core_python.selenium import Axe
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.support.audits import NAMES
from tests.support.made_up_fleet import ADAPTERS, made_up_fleet


def _open(browser: webdriver.Chrome, directory: Path, count: int) -> dict:
    """Open the page of a made-up fleet, one of whose adapters has a hostile name, and return its report."""
    fleet = made_up_fleet(count, [*ADAPTERS[1:], NAMES[0]])
    file = directory / "drift.html"
    file.write_text(page(fleet, "Adapters of the fleet"), encoding="utf-8")
    browser.get(file.as_uri())
    return fleet


def _names(fleet: dict, **having: object) -> list[str]:
    """The sites with these values, or with an item in a list of them."""
    return [
        site["name"]
        for site in fleet["sites"]
        if all(
            value in (site[key], *(site[key] if isinstance(site[key], list) else ())) for key, value in having.items()
        )
    ]


def _shown(browser: webdriver.Chrome, table: str = "attention") -> list[str]:
    rows = f"#{table} tbody tr[data-has]:not([hidden]) th"
    script = "return [...document.querySelectorAll(arguments[0])].map((cell) => cell.firstChild.data.trim())"
    return browser.execute_script(script, rows)


def _click(browser: webdriver.Chrome, verdict: str) -> None:
    browser.find_element(By.CSS_SELECTOR, f"button[data-show='{verdict}']").click()


def _choose(browser: webdriver.Chrome, control: str, value: str) -> None:
    browser.find_element(By.CSS_SELECTOR, f"#{control} option[value='{value}']").click()


@pytest.mark.parametrize("count", [3, 500])
def test_what_needs_attention_is_shown_and_can_be_filtered(
    browser: webdriver.Chrome, tmp_path: Path, count: int
) -> None:
    browser.set_window_size(1280, 900)
    fleet = _open(browser, tmp_path, count)
    differ = [site["name"] for site in fleet["sites"] if site["counts_as"] != "in_sync"]
    assert browser.title == "Adapters of the fleet"
    assert _shown(browser)[: len(differ)] == differ
    assert not browser.find_element(By.ID, "matrix").is_displayed(), "sites in sync are folded"
    assert "inventory sites.vllm.yml · commit 4f0c1d9a2b7e · by ada" in browser.find_element(By.TAG_NAME, "header").text
    chips = {
        one.get_attribute("data-show"): one.text for one in browser.find_elements(By.CSS_SELECTOR, "#counts button")
    }
    assert chips["unreachable"] == f"? {fleet['summary']['unreachable']} unreachable"
    assert chips["in_sync"] == f"✓ {fleet['summary']['in_sync']} in sync"
    # Strays have one column together.
    assert len(browser.find_elements(By.CSS_SELECTOR, "#matrix thead th")) == 4 + len(ADAPTERS)

    _click(browser, "unreachable")
    assert _shown(browser) == _names(fleet, verdict="unreachable")
    reason = browser.find_element(By.CSS_SELECTOR, "#attention tr:not([hidden]) td:last-child")
    assert re.match("Last seen Nov 22, .* The connection was refused", reason.text)
    assert reason.find_element(By.TAG_NAME, "time").get_attribute("title") == "2026-11-22T07:14:00Z"

    # The filters are in the address, with which another person sees the same.
    _choose(browser, "group", "north")
    address = browser.current_url
    assert address.endswith("#show=unreachable&group=north")
    browser.get("about:blank")
    browser.get(address)
    assert _shown(browser) == _names(fleet, verdict="unreachable", groups="north")
    assert _shown(browser)[0] == "aalborg-01"

    _click(browser, "")
    _choose(browser, "group", "")
    search = browser.find_element(By.ID, "search")
    search.send_keys("BARI-01")
    assert _shown(browser) == ["bari-01"]
    assert "/srv/adapters/summaries" in browser.find_element(By.CSS_SELECTOR, "#attention tr:not([hidden]) td li").text
    search.clear()
    search.send_keys("summaries")
    assert "bari-01" in _shown(browser)
    assert "aalborg-01" not in _shown(browser)
    search.clear()
    search.send_keys(Keys.SPACE)
    _choose(browser, "sort", "name")
    assert _shown(browser) == sorted(_shown(browser))

    # By the keyboard as well.
    browser.find_element(By.CSS_SELECTOR, "button[data-show=in_sync]").send_keys(Keys.ENTER)
    assert browser.find_element(By.ID, "matrix").is_displayed()
    assert _shown(browser) == []
    in_sync = _names(fleet, verdict="in_sync")
    assert set(_shown(browser, "matrix")) == set(in_sync)
    assert f"{len(in_sync)} of {count} sites" in browser.find_element(By.ID, "count").text


def test_sites_are_shown_by_group(browser: webdriver.Chrome, tmp_path: Path) -> None:
    fleet = _open(browser, tmp_path, 40)
    # A site is in one group of the table, also if it is in several of the inventory. All sites are in the group vllm.
    assert fleet["groups"] == ["north", "south", "east", "west", "canary"]
    browser.find_element(By.CSS_SELECTOR, "#all summary").click()
    sections = browser.find_elements(By.CSS_SELECTOR, "#matrix .group")
    assert [one.text.split(":")[0] for one in sections] == ["north", "south", "east", "west"]
    assert "2 drifted, 1 unreachable, 1 undeclared, 10 in sync" in sections[0].text

    # The filter finds a site by any of its groups.
    options = [one.text for one in browser.find_elements(By.CSS_SELECTOR, "#group option")]
    assert options[0] == "All groups"
    assert options[5] == "canary: 1 of 2 not in sync"
    _choose(browser, "group", "canary")
    assert set(_shown(browser, "matrix")) == set(_names(fleet, groups="canary"))
    assert len([one for one in sections if one.is_displayed()]) == 2, "a group without a row is hidden"

    _choose(browser, "group", "")
    _choose(browser, "adapter", "summaries")
    assert _shown(browser) == ["bari-01"]
    strays = browser.find_element(By.CSS_SELECTOR, "#adapter option:last-child")
    assert strays.text == "adapters that are not declared: differs at 4"
    strays.click()
    assert len(_shown(browser)) == 4
    assert "adapter=adapters+that+are+not+declared" in browser.current_url


def test_it_is_small_and_needs_nothing_else(browser: webdriver.Chrome, tmp_path: Path) -> None:
    _open(browser, tmp_path, 2000)
    assert (tmp_path / "drift.html").stat().st_size < 4_000_000
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert not browser.find_elements(By.CSS_SELECTOR, "a, img, link, iframe")


# Time depends on the machine. What takes it does not: rows that are laid out, and elements that are changed.
COST = """
const [verdict, done] = arguments, changed = new Set();
const observer = new MutationObserver((records) => records.forEach((record) => changed.add(record.target)));
observer.observe(document.body, { subtree: true, attributes: true, childList: true });
document.querySelector(`button[data-show='${verdict}']`).click();
requestAnimationFrame(() => requestAnimationFrame(() => {
  const cells = [...document.querySelectorAll("#matrix td")];
  done([changed.size, cells.filter((one) => one.checkVisibility({ contentVisibilityAuto: true })).length, cells.length]);
}));
"""


def test_a_filter_costs_no_more_than_the_rows_in_view(browser: webdriver.Chrome, tmp_path: Path) -> None:
    browser.set_window_size(1280, 900)
    _open(browser, tmp_path, 2000)
    browser.execute_script("document.getElementById('all').open = true")
    for verdict in ("drifted", "in_sync", ""):
        changed, laid_out, cells = browser.execute_async_script(COST, verdict)
        assert cells > 40_000
        assert laid_out < 6000
        assert changed < 2500


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible(browser: webdriver.Chrome, tmp_path: Path, width: int, scheme: str) -> None:
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 1280}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    _open(browser, tmp_path, 40)
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
    fleet = _open(browser, tmp_path, count)
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    pdf = base64.b64decode(printed["data"])
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= most
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not browser.find_element(By.ID, "controls").is_displayed()
    assert _names(fleet, verdict="in_sync")[-1] in browser.find_element(By.CSS_SELECTOR, ".paper").text, (
        "sites in sync are named on paper"
    )


def test_it_is_complete_without_script(browser: webdriver.Chrome, tmp_path: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    _open(browser, tmp_path, 3)
    assert _shown(browser) == ["bari-01", "aalborg-01"]
    assert _shown(browser, "matrix") == ["bari-01", "brno-01", "aalborg-01"]
    assert not browser.find_elements(By.TAG_NAME, "button")
    assert not browser.find_element(By.ID, "controls").is_displayed()
    assert "2026-11-22T07:14:00Z" in browser.find_element(By.ID, "attention").text
    browser.find_element(By.CSS_SELECTOR, "#all summary").click()
    assert browser.find_element(By.ID, "matrix").is_displayed()
