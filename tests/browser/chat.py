# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chat example as a process, and the page that it shows, used the way a person does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

CHAT = Path(__file__).parents[2] / "examples" / "chat" / "chat.py"
_PATIENCE = 120  # seconds, a last resort


@contextmanager
def chat_server(
    directory: Path, endpoints: Mapping[str, str], api_key: str | None = None, own_keys: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Start the example on an inventory of these endpoints, and yield its address.

    own_keys: of the endpoints that have a key of their own, by name.
    """
    inventory = directory / "sites.vllm.yml"
    listed: list[dict] = [{"name": name, "base_url": url} for name, url in endpoints.items()]
    variables = {name: f"KEY_OF_{name}" for name in own_keys or {}}
    for endpoint in listed:
        if endpoint["name"] in variables:
            named = variables[endpoint["name"]]
            endpoint |= {"api_key_env": named}
    inventory.write_text(json.dumps({"plugin": "sovereign.vllm.vllm", "endpoints": listed, "timeout": 5}))
    environment = dict(os.environ, **({"VLLM_API_KEY": api_key} if api_key else {}))
    environment |= {variables[name]: key for name, key in (own_keys or {}).items()}
    command = [sys.executable, CHAT, "-i", inventory, "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield re.search(r"http://\S+", process.stdout.readline()).group()
        finally:
            process.terminate()


class Page:
    """The page at `url` in the browser."""

    def __init__(self, browser: webdriver.Chrome, url: str, *, sites: bool = True) -> None:
        self._browser = browser
        browser.get(url)
        if sites:
            self._wait(lambda _browser: self.sites())

    def wait_for_status(self, text: str) -> None:
        self._wait(lambda _browser: self.status() == text)

    def wait_for_part(self) -> None:
        self._wait(lambda _browser: self.answer())

    def _wait(self, done) -> object:
        return WebDriverWait(self._browser, _PATIENCE).until(done)

    def _choices(self, identifier: str) -> Select:
        return Select(self._browser.find_element(By.ID, identifier))

    def sites(self) -> dict[str, bool]:
        """Whether each site can be picked, by what the page calls it."""
        return {option.text: option.is_enabled() for option in self._choices("site").options}

    def models(self, site: str) -> list[str]:
        self._choices("site").select_by_value(site)
        return [option.text for option in self._choices("model").options]

    def ask(self, site: str, model: str, question: str) -> tuple[str, str]:
        """Return what the page shows as answer, and as who gave it."""
        assert model in self.models(site)
        self._choices("model").select_by_value(model)
        self.begin(question)
        return self.ended(), self._last(".who")

    def begin(self, question: str) -> None:
        """Ask without waiting: Enter sends, and Shift and Enter begin a new line."""
        field = self._browser.find_element(By.ID, "question")
        first, *more = question.split("\n")
        field.send_keys(first)
        for line in more:
            field.send_keys(Keys.SHIFT, Keys.ENTER, Keys.NULL, line)
        field.send_keys(Keys.ENTER)

    def ended(self) -> str:
        """Wait until the answer has ended, and return it."""
        self._wait(lambda browser: browser.find_element(By.CSS_SELECTOR, "#ask button").is_enabled())
        return self.answer()

    def answer(self) -> str:
        """Return what the page shows by now."""
        return self._last(".answer")

    def status(self) -> str:
        return self._browser.find_element(By.ID, "status").text

    def _last(self, part: str) -> str:
        return self._browser.find_elements(By.CSS_SELECTOR, "#talk li")[-1].find_element(By.CSS_SELECTOR, part).text
