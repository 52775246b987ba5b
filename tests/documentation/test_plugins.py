# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-doc shows everything without a warning, and what the examples show are tasks that Ansible takes."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.documentation.playbooks import mistakes
from tests.examples.arguments import ANSIBLE_DOC
from tests.support.environment import clean_environment
from tests.support.guide import shell

PROJECT = Path(__file__).parents[2]
KINDS = {
    "module": "plugins/modules/*.py",
    "inventory": "plugins/inventory/*.py",
    "filter": "plugins/filter/*.py",
    "role": "roles/*",
}
NAMES = {kind: [path.stem for path in sorted(PROJECT.glob(pattern))] for kind, pattern in KINDS.items()}


def _ansible_doc(directory: Path, *arguments: str) -> str:
    """What it prints. It must not warn of anything but of what is its own."""
    command = [ANSIBLE_DOC, *arguments]
    shown = subprocess.run(command, env=clean_environment(directory), capture_output=True, text=True, check=True)
    assert [line for line in shown.stderr.splitlines() if "ansible/_protomatter" not in line] == []
    return shown.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_them_are_shown_without_a_warning(kind: str, tmp_path: Path) -> None:
    listed = json.loads(_ansible_doc(tmp_path, "--type", kind, "--list", "--json", "sovereign.vllm"))
    assert sorted(listed) == [f"sovereign.vllm.{name}" for name in NAMES[kind]]
    shown = _ansible_doc(tmp_path, "--type", kind, *listed)
    assert sorted(re.findall(r"^> [A-Z]+:? \*?(sovereign\.vllm\.\w+)", shown, re.MULTILINE)) == sorted(listed)


@pytest.mark.parametrize("kind", ["module", "filter"])
def test_all_examples_are_tasks(kind: str, tmp_path: Path) -> None:
    documented = json.loads(
        _ansible_doc(tmp_path, "--type", kind, "--json", *map("sovereign.vllm.{}".format, NAMES[kind]))
    )
    plays = []
    for name, plugin in documented.items():
        assert plugin["return"], name
        tasks = yaml.safe_load(plugin["examples"])
        assert any(name in str(task) for task in tasks)
        assert mistakes(plugin["examples"]) == {}
        plays.append({"name": name, "hosts": "all", "gather_facts": False, "tasks": tasks})
    assert len(plays) == len(NAMES[kind])
    (tmp_path / "examples.yml").write_text(yaml.safe_dump(plays))
    shell("ansible-playbook --syntax-check -i localhost, examples.yml", tmp_path)
