# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that configures a controller: what a real AWX 24.6.1 needed, beside valid arguments (test_arguments.py)."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.examples.arguments import tasks_of
from tests.examples.conftest import EXAMPLES

AWX = EXAMPLES / "awx"
TASKS = tasks_of(AWX / "controller.yml")


def of(module: str) -> list[dict[str, Any]]:
    return [task.arguments for task in TASKS if task.module == f"awx.awx.{module}"]


def test_sliced_jobs_can_be_launched_with_a_limit() -> None:
    """A slice in which the limit leaves no host fails, so whoever gives a limit must be able to ask for one slice."""
    sliced = [template for template in of("job_template") if template.get("job_slice_count", 1) > 1]
    assert sliced
    assert all(template["ask_limit_on_launch"] and template["ask_job_slice_count_on_launch"] for template in sliced)


def test_a_failed_first_update_of_the_project_is_repeated() -> None:
    assert [project["update_project"] for project in of("project")] == [True]


def test_the_workflow_is_the_same_after_each_run() -> None:
    """`workflow_nodes` changes the template of an approval each time. Single nodes do not, if each names nodes that exist."""
    assert [workflow.get("workflow_nodes") for workflow in of("workflow_job_template")] == [None]
    known: set[str] = set()
    for node in of("workflow_job_template_node"):
        # Beside `approval_node`, the module looks for the nodes that follow at the template of the approval, and fails.
        assert not ("approval_node" in node and {"success_nodes", "failure_nodes", "always_nodes"} & set(node))
        assert {*node.get("success_nodes", []), *node.get("failure_nodes", [])} <= known
        known.add(node["identifier"])
    assert known == {"audit", "approval", "converge"}


@pytest.mark.parametrize("definition", ["execution-environment.yml", "execution-environment-offline.yml"])
def test_updates_of_the_inventory_find_the_projects_collections(definition: str) -> None:
    """For them, AWX sets only ANSIBLE_COLLECTIONS_PATHS, which ansible-core 2.19 and later ignore."""
    steps = yaml.safe_load((AWX / definition).read_text(encoding="utf-8"))["additional_build_steps"]["append_final"]
    (line,) = (step for step in steps if "ANSIBLE_COLLECTIONS_PATH=" in step)
    assert line.split("=")[1].split(":") == ["/runner/requirements_collections", "/usr/share/ansible/collections"]
