# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The beats of the story. Each says what is to be seen, shows it, and checks it over plain HTTP."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from tools.demo import http, screen
from tools.demo.playbook import Run, run
from tools.demo.servers import DemoServer, url_where_nothing_listens

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"
AUDIT = ("site.yml", "--check", "--diff")


class BeatFailed(Exception):
    """What was to be seen, and what was seen instead."""


def tell(server: DemoServer, directory: Path) -> None:
    """Tell the story in a working directory. Raises BeatFailed at the first beat that is not as told."""
    began = time.monotonic()
    story = Story(server, directory)
    story.introduce()
    for number, beat in enumerate(story.beats, start=1):
        screen.heading(f"{number}. {beat.__doc__}")
        beat()
    screen.heading("The end")
    screen.say(f"{len(story.beats)} beats in {time.monotonic() - began:.0f} s, each of them checked.")


class Story:
    def __init__(self, server: DemoServer, directory: Path) -> None:
        self.server = server
        self.directory = directory
        self.victim = next(iter(server.adapters))
        self.at_first = http.served(server.url)
        self.beats: list[Callable[[], None]] = [self.look, self.plan, self.converge, self.converge_again]
        self.beats += [self.complete] if server.answers_for_real else []
        self.beats += [self.meddle, self.audit, self.heal]
        self.beats += [self.go_offline] if server.is_ours else [self.leave, self.ask_a_dead_address]

    def introduce(self) -> None:
        screen.heading("What is declared")
        for playbook in QUICKSTART.glob("*.yml"):
            shutil.copy(playbook, self.directory)
        self._declare(self.server.url, dict(self.server.adapters))
        screen.say(f"The server is {self.server.what}. The playbook is the whole of what a site needs:")
        for name in ("inventory.yml", "site.yml"):
            screen.shell(f"cat {name}")
            screen.quote((self.directory / name).read_text().split("---\n")[-1])  # without the licence above it

    # Beats. What stands in their docstrings is their heading.

    def look(self) -> None:
        """What is served"""
        done = run(self.directory, "served.yml")
        self._expect(done, changed=0)
        self._expect_served(self.at_first)
        screen.verified(f"adapters served: {len(self.at_first)}")

    def plan(self) -> None:
        """Plan: check mode tells what would change, and changes nothing"""
        before = self.server.writes()
        done = run(self.directory, *AUDIT)
        self._expect(done, changed=1)
        self._expect_diff(done, [f"+  - name: {name}" for name in self.server.adapters])
        self._expect_served(self.at_first)
        self._expect_no_writes_since(before)
        screen.verified("changed=1 with a diff, and the server's list is as before")

    def converge(self) -> None:
        """Converge"""
        done = run(self.directory, "site.yml")
        self._expect(done, changed=1)
        self._expect_served(self._wanted)
        screen.verified(f"the server's own list shows {', '.join(self.server.adapters)}")

    def converge_again(self) -> None:
        """Converge again: nothing to do"""
        before = self.server.writes()
        done = run(self.directory, "site.yml")
        self._expect(done, changed=0)
        self._expect_served(self._wanted)
        self._expect_no_writes_since(before)
        screen.verified("changed=0")

    def complete(self) -> None:
        """Tokens from the adapter, under its own name"""
        prompt = "The site declares"
        for model in (http.base_model(self.server.url), self.victim):
            text = http.complete(self.server.url, model, prompt, tokens=12)
            if not text:
                raise BeatFailed(f"A completion by {model!r} was to be seen; its text is empty.")
            screen.quote(f"{model:>18}: {prompt}{json.dumps(text)[1:-1]}")
        screen.verified(
            f"a completion with model={self.victim} answers (the tiny model is random, so is its prose)"
            if self.server.is_ours
            else f"a completion with model={self.victim} answers"
        )

    def meddle(self) -> None:
        """Somebody unloads an adapter behind our back"""
        url, body = self.server.url + "/v1/unload_lora_adapter", {"lora_name": self.victim}
        screen.shell(f"curl {url} \\\n    -H 'Content-Type: application/json' -d '{json.dumps(body)}'")
        screen.quote(http.call(url, body))
        self._expect_served({name: path for name, path in self._wanted.items() if name != self.victim})
        screen.verified(f"{self.victim} is gone, and nobody was told")

    def audit(self) -> None:
        """The audit finds it: the same playbook in check mode"""
        before = self.server.writes()
        done = run(self.directory, *AUDIT)
        self._expect(done, changed=1)
        self._expect_diff(done, [f"+  - name: {self.victim}"])
        self._expect_no_writes_since(before)
        screen.verified(f"changed=1, the diff names {self.victim}, and nothing was written")

    def heal(self) -> None:
        """Heal"""
        self._expect(run(self.directory, "site.yml"), changed=1)
        self._expect_served(self._wanted)
        self._expect(run(self.directory, "site.yml", "--check"), changed=0)
        screen.verified("served as declared, and the next audit is silent")

    def leave(self) -> None:
        """Your server gets back what it had: the same playbook, declared absent"""
        self._declare(self.server.url, dict.fromkeys(self.server.adapters))
        self._expect(run(self.directory, "site.yml", "--diff"), changed=1)
        self._expect_served(self.at_first)
        screen.verified("its list is as it was found")

    def go_offline(self) -> None:
        """The server is stopped: UNREACHABLE, which is not the same as deleted"""
        self.server.stop()
        screen.say("(stopped; a site that is cut off looks the same)")
        self._expect_unreachable(run(self.directory, *AUDIT))

    def ask_a_dead_address(self) -> None:
        """A site that is cut off: UNREACHABLE, which is not the same as deleted"""
        screen.say("Your server is not stopped for this; the inventory now names a port where nothing listens.")
        self._declare(url_where_nothing_listens(), dict(self.server.adapters))
        self._expect_unreachable(run(self.directory, *AUDIT))

    # What the beats are made of

    @property
    def _wanted(self) -> dict[str, str]:
        return {**self.at_first, **self.server.adapters}

    def _declare(self, url: str, adapters: dict[str, str | None]) -> None:
        """Write the quickstart's inventory for this server; an adapter without a path is declared absent."""
        inventory = yaml.safe_load((QUICKSTART / "inventory.yml").read_text())
        (site,) = inventory["vllm"]["hosts"].values()
        site["vllm_base_url"] = url
        site["lora_adapters_adapters"] = [
            {"name": name, "path": path} if path else {"name": name, "state": "absent"}
            for name, path in adapters.items()
        ]
        text = yaml.safe_dump(inventory, sort_keys=False, width=screen.WIDTH)
        (self.directory / "inventory.yml").write_text(text)

    def _expect(self, done: Run, changed: int) -> None:
        recap = done.recap
        if done.status or (recap["changed"], recap["failed"], recap["unreachable"]) != (changed, 0, 0):
            raise BeatFailed(f"changed={changed} without failures was to be seen; the recap says {done}.")

    def _expect_unreachable(self, done: Run) -> None:
        recap = done.recap
        if done.status != 4 or (recap["changed"], recap["failed"], recap["unreachable"]) != (0, 0, 1):
            raise BeatFailed(f"UNREACHABLE, unchanged and not failed, was to be seen; the recap says {done}.")
        if "UNREACHABLE!" not in done.output or "+  - name" in done.output or "-  - name" in done.output:
            raise BeatFailed("UNREACHABLE without a diff was to be seen.")
        screen.verified("unreachable=1, changed=0, failed=0: nothing is claimed about what it serves")

    def _expect_diff(self, done: Run, lines: list[str]) -> None:
        missing = [line for line in lines if line not in done.output]
        if missing:
            raise BeatFailed(f"A diff with the lines {missing} was to be seen.")

    def _expect_served(self, wanted: dict[str, str]) -> None:
        found = http.served(self.server.url)
        if found != wanted:
            raise BeatFailed(f"{self.server.url}/v1/models was to show the adapters {wanted}; it shows {found}.")

    def _expect_no_writes_since(self, before: int | None) -> None:
        if self.server.writes() != before:
            raise BeatFailed("No request that writes was to be sent; the server's log has some.")
