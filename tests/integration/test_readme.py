# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the README shows is what there is, and its quickstart does what it says, command by command."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
QUICKSTART = PROJECT / "tests" / "demo" / "quickstart"
URL = "http://127.0.0.1:8000"  # in the README


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def shell(directory: Path, command: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.run(
        ["bash", "-c", command],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("name", ["inventory.yml", "site.yml"])
def test_the_files_of_the_quickstart_are_those_shown(name: str) -> None:
    (shown,) = re.findall(rf"^`{name}`\n\n```yaml\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert (QUICKSTART / name).read_text().split("---\n")[1] == shown


@pytest.fixture
def demo_server() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The URL of what `make demo-server` runs, on a free port, and its process."""
    command = [sys.executable, "-m", "tests.demo", "--serve", "0"]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
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
    inventory = (tmp_path / "inventory.yml").read_text()
    assert inventory.count(URL) == 1
    (tmp_path / "inventory.yml").write_text(inventory.replace(URL, url))
    steps = re.findall(r"^\*\*(\w+)\.\*\*(.*?)```sh\n(.*?)```", section("Quickstart"), re.DOTALL | re.MULTILINE)
    assert [title for title, _commands, _shown in steps] == [
        "Plan",
        "Converge",
        "Again",
        "Drift",
        "Audit",
        "Heal",
        "Offline",
    ]
    for title, text, command in steps:
        if title == "Offline":
            server.send_signal(signal.SIGINT)
            assert server.wait(10) == 0
        done = shell(tmp_path, command.replace(URL, url))
        promised = re.findall(r"`(\w+=\d)`", text)
        assert promised or title == "Drift"
        for counter in promised:
            assert counter in done.stdout, f"{title}: {done.stdout}{done.stderr}"
        assert done.returncode == (4 if title == "Offline" else 0), done.stdout + done.stderr


def test_the_audit_shown_fails_on_drift_and_writes_nothing(
    demo_server: tuple[str, subprocess.Popen[str]], tmp_path: Path
) -> None:
    url, _adapters = demo_server
    inventory = (QUICKSTART / "inventory.yml").read_text().replace(URL, url)
    (tmp_path / "inventory.yml").write_text(inventory)
    (tasks,) = re.findall(r"```yaml\n(.*?)```", section("Audit in check mode"), re.DOTALL)
    play = "- hosts: vllm\n  gather_facts: false\n  tasks:\n" + textwrap.indent(tasks, "    ")
    (tmp_path / "audit.yml").write_text(play)
    drifted = shell(tmp_path, "ansible-playbook -i inventory.yml audit.yml")
    assert drifted.returncode == 2, drifted.stdout
    assert "+  - name: sql" in drifted.stdout
    assert "Drifted: sql, summaries" in drifted.stdout
    shutil.copy(QUICKSTART / "site.yml", tmp_path)
    assert "changed=1" in shell(tmp_path, "ansible-playbook -i inventory.yml site.yml").stdout
    assert shell(tmp_path, "ansible-playbook -i inventory.yml audit.yml").returncode == 0


def test_every_code_of_an_error_has_its_row() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", section("Errors"), re.MULTILINE))
    sources = (PROJECT / "plugins" / "module_utils").glob("_*.py")
    text = "".join(source.read_text(encoding="utf-8") for source in sources)
    for code in told:
        assert f'"{code}"' in text, f"no error has the code {code}"
    made = set(re.findall(r'(?:refusal\(answer, tried, |request_error\(\s*|VllmError\(\s*)"(\w+)"', text))
    assert made
    assert made <= told
