# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An action whose work fails: each failure is one sentence, and none is a traceback."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from unittest.mock import MagicMock

import pytest

if sys.version_info < (3, 10):
    pytest.skip("These run on the controller.", allow_module_level=True)

from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.controller_action import ControllerAction


def run(raised: Exception) -> dict:
    class Failing(ControllerAction):
        def work(self, given: Mapping, variables: dict) -> dict:
            raise raised

    task = MagicMock(args={}, async_val=0)
    return Failing(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock()).run(task_vars={})


@pytest.mark.parametrize(
    ("raised", "code", "says"),
    [
        (VllmError("site_busy", "it is busy", "wait"), "site_busy", "it is busy; wait."),
        (
            PermissionError(13, "Permission denied", "/x/sites.allowed"),
            "store_error",
            "'/x/sites.allowed' cannot be used",
        ),
        (OSError(28, "No space left on device"), "store_error", "cannot be used (No space left on device)"),
        (OSError("odd"), "store_error", "(odd)"),
    ],
)
def test_a_failure_is_a_sentence(raised: Exception, code: str, says: str) -> None:
    told = run(raised)
    assert (told["failed"], told["error"]["code"]) == (True, code)
    assert says in told["msg"]
