# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""controller.yml on a real AWX."""

from __future__ import annotations

from tests.examples.arguments import tasks_of
from tests.examples.conftest import EXAMPLES
from tests.real_awx.conftest import Configured


def test_a_project_whose_first_update_failed_is_updated_again(configured: Configured) -> None:
    assert "roject update failed" in configured.without_repository.output
    assert not configured.without_repository.succeeded
    assert configured.with_repository.succeeded


def test_a_second_run_changes_nothing(configured: Configured) -> None:
    every = len(tasks_of(EXAMPLES / "awx" / "controller.yml"))
    assert (configured.again.succeeded, configured.again.tasks) == (True, every), configured.again.output
    assert configured.again.changed == 0, configured.again.output
