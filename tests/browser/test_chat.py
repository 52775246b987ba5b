# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chat example: the served models of an inventory, asked from a web page."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest
from selenium import webdriver

from tests.browser.chat import Page, chat_server
from tests.stand_in import StandIn
from tests.support.server import Server

KEY = "sk-chat-8841"
MARKUP = "<b id=injected>x</b>"


def test_pick_a_site_and_an_adapter_and_ask(browser: webdriver.Chrome, tmp_path: Path, examples: Path) -> None:
    static = {"sql": examples / "first", MARKUP: examples / "second"}
    with StandIn(api_key=KEY, static=static) as server, StandIn(api_key="sk-oslo") as other:
        endpoints = {"berlin": server.url, "oslo": other.url, "paris": "http://127.0.0.1:9"}
        with chat_server(tmp_path, endpoints, KEY, {"oslo": "sk-oslo"}) as url:
            page = Page(browser, url)
            sites = page.sites()
            assert sites == {"berlin": True, "oslo": True, "paris (unreachable, last seen never)": False}
            assert page.models("oslo") == ["tiny"]
            assert page.models("berlin") == ["sql", MARKUP, "tiny"]
            answer, who = page.ask("berlin", "sql", "Audit")
            assert (answer, who) == (Server(server.url, KEY).complete("sql", tokens=48), "sql at berlin")
            assert page.ask("berlin", "tiny", "Audit")[0] != answer
            assert page.ask("berlin", MARKUP, "Audit")[1] == f"{MARKUP} at berlin"
            assert page.ask("oslo", "tiny", "Audit")[1] == "tiny at oslo"
            assert KEY not in str([request.headers for request in other.log])
            assert not browser.find_elements("id", "injected")
            # The browser gets neither the key nor an address of a site.
            assert KEY not in browser.page_source and server.url not in browser.page_source
            with urllib.request.urlopen(url + "sites") as told:
                body = told.read().decode()
            assert KEY not in body and server.url not in body
            # Nor does a page whose own name was made to point here.
            with pytest.raises(urllib.error.HTTPError, match="421"):
                urllib.request.urlopen(urllib.request.Request(url + "sites", headers={"Host": "rebound.example"}))


def test_a_site_that_goes_away_is_named(browser: webdriver.Chrome, tmp_path: Path, examples: Path) -> None:
    with StandIn(static={"sql": examples / "first"}) as server, chat_server(tmp_path, {"berlin": server.url}) as url:
        page = Page(browser, url)
        page.models("berlin")
        server.kill()
        answer, who = page.ask("berlin", "sql", "Audit")
        assert (answer, who) == ("berlin did not answer.", "sql at berlin")
        # The browser notes on its console that the question was not answered 200, which is right.
        assert any("502" in entry["message"] for entry in browser.get_log("browser"))
