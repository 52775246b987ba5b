# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chat example: the served models of an inventory, asked from a web page."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from selenium import webdriver

from tests.browser.chat import Page, chat_server
from tests.stand_in import Fault, StandIn
from tests.support.server import Server

KEY = "sk-chat-8841"
MARKUP = "<b id=injected>x</b>"


def test_pick_a_site_and_an_adapter_and_ask(browser: webdriver.Chrome, tmp_path: Path, examples: Path) -> None:
    static = {"sql": examples / "first", MARKUP: examples / "second"}
    with (
        StandIn(api_key=KEY, static=static) as server,
        StandIn(api_key="sk-oslo") as other,
        StandIn() as portal,
        StandIn(api_key="sk-bonn") as bonn,
    ):
        portal.faults.add(Fault("GET", "/v1/models", "html", times=None))
        endpoints = {"berlin": server.url, "oslo": other.url, "paris": "http://127.0.0.1:9"}
        endpoints |= {"bonn": bonn.url, "rome": portal.url}
        with chat_server(tmp_path, endpoints, KEY, {"oslo": "sk-oslo"}) as url:
            page = Page(browser, url)
            sites = page.sites()
            assert sites == {
                "berlin": True,
                "bonn (wrong key, never seen)": False,
                "oslo": True,
                "paris (offline, never seen)": False,
                "rome (another server answers, never seen)": False,
            }
            assert page.status() == "2 of 5 sites can be asked."
            assert page.models("oslo") == ["tiny"]
            assert page.models("berlin") == ["sql", MARKUP, "tiny"]
            answer, who = page.ask("berlin", "sql", "Audit")
            assert (answer, who) == (Server(server.url, KEY).complete("sql", tokens=48), "adapter sql at berlin")
            assert page.ask("berlin", "tiny", "Audit")[0] != answer
            assert page.ask("berlin", MARKUP, "Audit")[1] == f"adapter {MARKUP} at berlin"
            assert page.ask("oslo", "tiny", "Audit")[1] == "base model tiny at oslo"
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


def test_the_answer_comes_in_parts(browser: webdriver.Chrome, tmp_path: Path) -> None:
    shown = threading.Event()
    with StandIn() as server, chat_server(tmp_path, {"berlin": server.url}) as url:
        # Words after the first wait until the page has shown that one.
        server.on_part = lambda number: number < 2 or shown.wait(60)
        page = Page(browser, url)
        page.begin("First line\nsecond line")
        page.wait_for_part()
        part = page.answer()
        assert page.status() == "berlin is answering …"
        shown.set()
        assert page.ended().startswith(part) and page.answer() != part
        asked = next(request for request in server.log if request.path == "/v1/chat/completions")
        assert asked.body["messages"][0]["content"] == "First line\nsecond line"


def test_an_inventory_with_a_mistake_is_not_an_empty_one(browser: webdriver.Chrome, tmp_path: Path) -> None:
    with chat_server(tmp_path, dict.fromkeys(("berlin", "bonn"), "http://127.0.0.1:9")) as url:
        page = Page(browser, url, sites=False)
        page.wait_for_status("The inventory could not be read: try ansible-inventory.")
        assert any("502" in entry["message"] for entry in browser.get_log("browser"))


def test_each_problem_is_named(browser: webdriver.Chrome, tmp_path: Path, examples: Path) -> None:
    with StandIn(static={"sql": examples / "first"}) as server, chat_server(tmp_path, {"berlin": server.url}) as url:
        page = Page(browser, url)
        page.models("berlin")
        chat = ("POST", "/v1/chat/completions")
        for fault, told in (
            (
                Fault(*chat, "answer", status=401, json={}, times=1),
                "berlin refuses the key: set VLLM_API_KEY to the key",
            ),
            (Fault(*chat, "html", times=1), "Another server answers for berlin, such as a login page or a proxy."),
            (Fault(*chat, "answer", status=500, json={}, times=1), "berlin could not answer (HTTP 500)."),
        ):
            server.faults.add(fault)
            answer, who = page.ask("berlin", "sql", "Audit")
            assert answer.startswith(told) and who == "adapter sql at berlin"
        server.kill()
        assert page.ask("berlin", "sql", "Audit")[0] == "berlin is offline: it did not answer."
        # The browser notes on its console that the question was not answered 200, which is right.
        assert any("502" in entry["message"] for entry in browser.get_log("browser"))
