# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README is short and lists all content, and each command of its quickstart does as described."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.guide import shell
from tests.support.server import Server

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
QUICKSTART = PROJECT / "examples" / "quickstart"
URL = "http://127.0.0.1:8000"  # in the README
REPOSITORY = yaml.safe_load((PROJECT / "galaxy.yml").read_text())["repository"]
FILES = f"{REPOSITORY}/blob/main/"
GUIDES = f"{FILES}docs/docsite/rst/"
PICTURES = f"{REPOSITORY}/main/docs/pictures/".replace("//github.com/", "//raw.githubusercontent.com/")
GALAXY = "https://galaxy.ansible.com/ui/repo/published/sovereign/vllm/content/"
# Galaxy has a page for each of them, with all options of the release. On GitHub, options of documentation fragments are missing.
ON_GALAXY = {
    "module": "plugins/modules/*.py",
    "inventory": "plugins/inventory/*.py",
    "filter": "plugins/filter/*.py",
    "role": "roles/*",
}
# Galaxy has no text about these: a guide has.
PLAYBOOKS = "playbooks/*.yml"
EVENTS = ("extensions/eda/plugins/event_source/*.py", "extensions/eda/rulebooks/*.yml")


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("name", ["inventory/sites.vllm.yml", "inventory/group_vars/vllm.yml"])
def test_the_files_of_the_quickstart_are_those_shown(name: str) -> None:
    (shown,) = re.findall(rf"^`{name}`\n```yaml\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert (QUICKSTART / name).read_text().split("---\n")[1] == shown


@pytest.fixture
def demo_server() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The URL of what `make demo-server` runs, on a free port, and its process."""
    command = [sys.executable, "-m", "tools.demo", "--serve", "0"]
    # As a shell starts what goes on in the background.
    with subprocess.Popen(
        command,
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    ) as process:
        try:
            yield re.findall(r"http://\S+\d", process.stdout.readline())[0], process
        finally:
            process.terminate()


@pytest.mark.skipif(not shutil.which("curl"), reason="the quickstart uses curl")
def test_every_command_of_the_quickstart_does_what_it_says(
    demo_server: tuple[str, subprocess.Popen[str]], tmp_path: Path
) -> None:
    url, server = demo_server
    shutil.copytree(QUICKSTART, tmp_path, dirs_exist_ok=True)
    sites = tmp_path / "inventory" / "sites.vllm.yml"
    assert sites.read_text().count(URL) == 1
    sites.write_text(sites.read_text().replace(URL, url))
    steps = re.findall(r"^\*\*(\w+)\.\*\*(.*?)```sh\n(.*?)```", section("Quickstart"), re.DOTALL | re.MULTILINE)
    assert [title for title, _commands, _shown in steps] == [
        "Plan",
        "Converge",
        "Again",
        "Drift",
        "Audit",
        "Heal",
        "Ask",
        "Offline",
    ]
    for title, text, command in steps:
        if title == "Offline":
            server.send_signal(signal.SIGINT)
            assert server.wait(10) == 0
        shown = shell(command.replace(URL, url), tmp_path, rc=4 if title == "Offline" else 0)
        promised = re.findall(r"`(\w+=\d)`", text)
        assert promised or title in {"Drift", "Ask"}
        for counter in promised:
            assert counter in shown, f"{title}: {shown}"
        if title == "Converge":
            assert sorted(Server(url).served()) == ["sql", "summaries"]
        if title == "Audit":
            page = (tmp_path / "drift_report" / "drift.html").read_text()
            assert all(
                name in text for name in ("edge1", "sql") for text in (page, shown.partition("Show the report")[2])
            )
        if title == "Ask":
            answer = json.loads(shown[shown.index("{") :])
            assert (answer["model"], bool(answer["choices"][0]["text"])) == ("sql", True)


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 150


def test_everything_that_there_is_has_a_link_to_its_page() -> None:
    links = re.findall(r"\[`(\w+)`\]\(([^)]+)\)", section("What is in it"))
    assert len(links) == len(set(links))
    pages = {(name, f"{GALAXY}{kind}/{name}/") for kind, pattern in ON_GALAXY.items() for name in _names(pattern)}
    pages |= {(name, f"{GUIDES}reference_guide.rst#{name}") for name in _names(PLAYBOOKS)}
    events = {(name, target.partition("#")[0]) for name, target in set(links) - pages}
    assert set(links) >= pages
    assert events == {(name, f"{GUIDES}event_guide.rst") for pattern in EVENTS for name in _names(pattern)}


def _names(pattern: str) -> set[str]:
    return {entry.stem for entry in PROJECT.glob(pattern) if not entry.name.startswith("_")}


def test_every_link_leads_to_something() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", README)
    assert len(targets) > 50
    for target in targets:
        assert target.startswith("https://"), "a relative one would lead nowhere on Galaxy"
        for place in (FILES, f"{REPOSITORY}/tree/main/", PICTURES):
            if target.startswith(place):
                name, _hash, anchor = target.removeprefix(place).partition("#")
                file = (PROJECT / "docs/pictures" if place == PICTURES else PROJECT) / name
                assert file.exists(), target
                assert not anchor or anchor in _anchors(file), target
    guides = {Path(target.partition("#")[0]).name for target in targets if target.startswith(GUIDES)}
    assert guides == {guide.name for guide in (PROJECT / "docs" / "docsite" / "rst").glob("*.rst")}
    shown = {target.removeprefix(PICTURES) for target in targets if target.startswith(PICTURES)}
    assert shown == {picture.name for picture in (PROJECT / "docs" / "pictures").iterdir()}


def _anchors(guide: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a guide."""
    headings = re.findall(r"^(.+)\n[=^-]{4,}$", guide.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
