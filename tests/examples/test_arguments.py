# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook of the examples parses, and gives its modules arguments that they have."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.examples.arguments import documentation, problems, tasks_of
from tests.examples.conftest import EXAMPLES, foreign_environment
from tests.support.playbook import ANSIBLE_PLAYBOOK


def _plays(file: Path) -> bool:
    text = file.read_text(encoding="utf-8")
    return "\n- " in text and bool(re.search(r"^  (?:hosts|ansible\.builtin\.import_playbook):", text, re.MULTILINE))


PLAYBOOKS = [file for file in sorted(EXAMPLES.rglob("*.yml")) if _plays(file)]
TASK_FILES = [EXAMPLES / name for name in ("aws/boxes.yml", "fleet/notify.yml", "fleet/notify_by_mail.yml")]
_FOUND = {file: tasks_of(file) for file in (*PLAYBOOKS, *TASK_FILES)}
TASKS = {str(file.relative_to(EXAMPLES)): tasks for file, tasks in _FOUND.items() if tasks}


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    modules = {task.module for tasks in TASKS.values() for task in tasks}
    return documentation(sorted(modules), foreign_environment(tmp_path_factory.mktemp("documentation")))


def test_syntax(tmp_path: Path) -> None:
    command = [ANSIBLE_PLAYBOOK, "--syntax-check", "-i", "localhost,", *PLAYBOOKS]
    checked = subprocess.run(command, env=foreign_environment(tmp_path), capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("file", TASKS)
def test_arguments(file: str, options: dict[str, dict[str, Any]]) -> None:
    found = {task.name: problems(task.arguments, options[task.module]) for task in TASKS[file]}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    ("mistake", "arguments"),
    [
        ("missing required arguments: name", {}),
        ("organisation", {"name": "audit", "organisation": "Default"}),
        ("maybe", {"name": "audit", "survey_enabled": "maybe"}),
        ("workflow_nodes.related.failure", {"name": "audit", "workflow_nodes": [{"related": {"failure": []}}]}),
        ("'dict'|of type dict", {"name": "audit", "workflow_nodes": [{"unified_job_template": ["audit"]}]}),
    ],
)
def test_mistakes_are_found(mistake: str, arguments: dict[str, Any], options: dict[str, dict[str, Any]]) -> None:
    """The check itself, with each kind of mistake, also deep inside."""
    found = " ".join(problems(arguments, options["awx.awx.workflow_job_template"]))
    assert re.search(mistake, found), found
