# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README lists all content, and each command of its quickstart does as described."""

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
CONTENT = (
    "plugins/modules/*.py",
    "plugins/inventory/*.py",
    "plugins/filter/*.py",
    "roles/*",
    "playbooks/*.yml",
    "extensions/eda/plugins/event_source/*.py",
    "extensions/eda/rulebooks/*.yml",
)


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("name", ["inventory/sites.vllm.yml", "inventory/group_vars/vllm.yml"])
def test_the_files_of_the_quickstart_are_those_shown(name: str) -> None:
    (shown,) = re.findall(rf"^`{name}`\n\n```yaml\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
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


def test_everything_that_there_is_has_its_row() -> None:
    told = re.findall(r"^\| (`.+?) \|", section("What is in it"), re.MULTILINE)
    names = {name for row in told for name in re.findall(r"`(\w+)`", row)}
    assert names == {name for kind in CONTENT for name in _names(kind)}


def _names(kind: str) -> set[str]:
    return {entry.stem for entry in PROJECT.glob(kind) if not entry.name.startswith("_")}


def test_every_link_leads_to_something() -> None:
    repository = yaml.safe_load((PROJECT / "galaxy.yml").read_text())["repository"]
    targets = re.findall(r"\]\(([^)]+)\)", README)
    assert len(targets) > 10
    for target in targets:
        assert target.startswith("https://"), "a relative one would lead nowhere on Galaxy"
        file = re.fullmatch(re.escape(repository) + "/(?:blob|tree)/main/(.+)", target)
        assert not file or (PROJECT / file[1]).exists(), target
    guides = {Path(target).name for target in targets if target.endswith("_guide.rst")}
    assert guides == {guide.name for guide in (PROJECT / "docs" / "docsite" / "rst").glob("*.rst")}
