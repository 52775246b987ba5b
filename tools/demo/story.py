# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of the demo. Each prints its heading, runs a command, and checks the result over plain HTTP."""

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
FILES = ("inventory/sites.vllm.yml", "inventory/group_vars/vllm.yml")
AUDIT = "sovereign.vllm.drift_audit"
CONVERGE = "sovereign.vllm.converge"
PLAN = (CONVERGE, "--check", "--diff")


class StepFailed(Exception):
    """The expected result of a step, and the real one."""


def tell(server: DemoServer, directory: Path) -> None:
    """Run all steps in a working directory. Raises StepFailed at the first step with another result than expected."""
    began = time.monotonic()
    story = Story(server, directory)
    story.introduce()
    for number, step in enumerate(story.steps, start=1):
        screen.heading(f"{number}. {step.__doc__}")
        step()
    screen.heading("The end")
    screen.say(f"{len(story.steps)} steps in {time.monotonic() - began:.0f} s, and each passed its check.")


class Story:
    def __init__(self, server: DemoServer, directory: Path) -> None:
        self.server = server
        self.directory = directory
        self.victim = next(iter(server.adapters))
        self.at_first = http.served(server.url)
        self.steps: list[Callable[[], None]] = [self.look, self.plan, self.converge, self.converge_again]
        self.steps += [self.complete] if server.answers_for_real else []
        self.steps += [self.meddle, self.audit, self.heal]
        self.steps += [self.go_offline] if server.is_ours else [self.leave, self.ask_a_dead_address]

    def introduce(self) -> None:
        screen.heading("The declaration")
        shutil.copytree(QUICKSTART, self.directory, dirs_exist_ok=True)
        self._declare(self.server.url, dict(self.server.adapters))
        screen.say(f"The server is {self.server.what}. A fleet needs only its addresses and its adapters:")
        for name in FILES:
            screen.shell(f"cat {name}")
            screen.quote((self.directory / name).read_text().split("---\n")[-1])  # without the licence above it

    # The docstring of a step is its heading.

    def look(self) -> None:
        """Show the served adapters"""
        done = run(
            self.directory, "vllm", "-m", "sovereign.vllm.vllm_base_model_info", program="ansible", shows_all=True
        )
        if done.status or not all(path in done.output for path in self.at_first.values()):
            raise StepFailed(f"Expected the paths of the adapters {self.at_first}; the exit status is {done.status}.")
        screen.verified(f"adapters served: {len(self.at_first)}")

    def plan(self) -> None:
        """Plan: check mode shows the changes, and makes none"""
        before = self.server.writes()
        done = run(self.directory, *PLAN)
        self._expect(done, changed=1)
        self._expect_diff(done, [f"+  - name: {name}" for name in self.server.adapters])
        self._expect_served(self.at_first)
        self._expect_no_writes_since(before)
        screen.verified("changed=1 with a diff, and the server's list is as before")

    def converge(self) -> None:
        """Converge"""
        done = run(self.directory, CONVERGE)
        self._expect(done, changed=1)
        self._expect_served(self._wanted)
        screen.verified(f"the server's own list shows {', '.join(self.server.adapters)}")

    def converge_again(self) -> None:
        """Converge again: nothing to do"""
        before = self.server.writes()
        done = run(self.directory, CONVERGE)
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
                raise StepFailed(f"Expected a completion by {model!r}; its text is empty.")
            screen.quote(f"{model:>18}: {prompt}{json.dumps(text)[1:-1]}")
        screen.verified(
            f"a completion with model={self.victim} answers (the tiny model is random, and so is its text)"
            if self.server.is_ours
            else f"a completion with model={self.victim} answers"
        )

    def meddle(self) -> None:
        """Another client unloads an adapter"""
        url, body = self.server.url + "/v1/unload_lora_adapter", {"lora_name": self.victim}
        screen.shell(f"curl {url} \\\n    -H 'Content-Type: application/json' -d '{json.dumps(body)}'")
        screen.quote(http.call(url, body))
        self._expect_served({name: path for name, path in self._wanted.items() if name != self.victim})
        screen.verified(f"{self.victim} is gone, and Ansible does not know it")

    def audit(self) -> None:
        """The audit finds it"""
        before = self.server.writes()
        done = run(self.directory, AUDIT, shows_all=True)
        self._expect(done, changed=1)
        if self.victim not in done.output.partition("Show the report")[2]:
            raise StepFailed(f"Expected the report to name {self.victim}.")
        self._expect_no_writes_since(before)
        screen.verified(f"changed=1, the last lines name {self.victim}, and no write was sent")

    def heal(self) -> None:
        """Heal"""
        self._expect(run(self.directory, CONVERGE), changed=1)
        self._expect_served(self._wanted)
        self._expect(run(self.directory, AUDIT), changed=0)
        screen.verified("all declared adapters are served, and the next audit finds no drift")

    def leave(self) -> None:
        """Restore your server: the same playbook, with the adapters declared absent"""
        self._declare(self.server.url, dict.fromkeys(self.server.adapters))
        self._expect(run(self.directory, CONVERGE, "--diff"), changed=1)
        self._expect_served(self.at_first)
        screen.verified("its list is the same as before the demo")

    def go_offline(self) -> None:
        """The server is stopped: UNREACHABLE, which is not the same as deleted"""
        self.server.stop()
        screen.say("(stopped; a site without a connection looks the same)")
        self._expect_unreachable(run(self.directory, *PLAN))

    def ask_a_dead_address(self) -> None:
        """A site has no connection: UNREACHABLE, which is not the same as deleted"""
        screen.say("Your server keeps running. The inventory now names a port where nothing listens.")
        self._declare(url_where_nothing_listens(), dict(self.server.adapters))
        self._expect_unreachable(run(self.directory, *PLAN))

    # Helpers of the steps

    @property
    def _wanted(self) -> dict[str, str]:
        return {**self.at_first, **self.server.adapters}

    def _declare(self, url: str, adapters: dict[str, str | None]) -> None:
        """Write the quickstart's files for this server; an adapter without a path is declared absent."""
        sites, adapters_of_all = (yaml.safe_load((QUICKSTART / name).read_text()) for name in FILES)
        (site,) = sites["endpoints"]
        site["base_url"] = url
        adapters_of_all["lora_adapters"] = [
            {"name": name, "path": path} if path else {"name": name, "state": "absent"}
            for name, path in adapters.items()
        ]
        for name, content in zip(FILES, (sites, adapters_of_all), strict=True):
            (self.directory / name).write_text(yaml.safe_dump(content, sort_keys=False, width=screen.WIDTH))

    def _expect(self, done: Run, changed: int) -> None:
        recap = done.recap
        if done.status or (recap["changed"], recap["failed"], recap["unreachable"]) != (changed, 0, 0):
            raise StepFailed(f"Expected changed={changed} without failures; the recap says {done}.")

    def _expect_unreachable(self, done: Run) -> None:
        recap = done.recap
        if done.status != 4 or (recap["changed"], recap["failed"], recap["unreachable"]) != (0, 0, 1):
            raise StepFailed(f"Expected UNREACHABLE, unchanged and not failed; the recap says {done}.")
        if "UNREACHABLE!" not in done.output or "+  - name" in done.output or "-  - name" in done.output:
            raise StepFailed("Expected UNREACHABLE without a diff.")
        screen.verified("unreachable=1, changed=0, failed=0: the run says nothing about its adapters")

    def _expect_diff(self, done: Run, lines: list[str]) -> None:
        missing = [line for line in lines if line not in done.output]
        if missing:
            raise StepFailed(f"Expected a diff with the lines {missing}.")

    def _expect_served(self, wanted: dict[str, str]) -> None:
        found = http.served(self.server.url)
        if found != wanted:
            raise StepFailed(f"Expected the adapters {wanted} at {self.server.url}/v1/models; it shows {found}.")

    def _expect_no_writes_since(self, before: int | None) -> None:
        if self.server.writes() != before:
            raise StepFailed("Expected no write; the log of the server has some.")
