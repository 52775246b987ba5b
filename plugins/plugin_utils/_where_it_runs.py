# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a task's module would run: only what would run on the controller anyway is run inside Ansible's worker."""

from __future__ import annotations

import os
import pwd
import sys
from typing import TYPE_CHECKING

from ansible import constants as C
from ansible_collections.sovereign.vllm.plugins.module_utils._requests import REQUESTS_IMPORT_ERROR

if TYPE_CHECKING:
    from ansible.plugins.action import ActionBase


def runs_in_worker(action: ActionBase, task_vars: dict) -> bool:
    """Return whether the worker can do the work itself: a local connection, no other user, no async, no Python that the
    user pinned to another one, and ``requests`` at hand."""
    return (
        action._connection.transport == "local"
        and not action._task.async_val
        and not REQUESTS_IMPORT_ERROR
        and not _becomes_somebody_else(action)
        and not _is_pinned_elsewhere(action, task_vars)
    )


def _becomes_somebody_else(action: ActionBase) -> bool:
    become = action._connection.become
    if become is None:
        return False
    try:
        user = pwd.getpwnam(become.get_option("become_user", playcontext=action._play_context))
    # Nobody of that name here, or a way to become somebody that has no default.
    except (KeyError, TypeError):
        return True
    return user.pw_uid != os.geteuid()


def _is_pinned_elsewhere(action: ActionBase, task_vars: dict) -> bool:
    variables = task_vars
    if action._task.delegate_to:
        variables = task_vars.get("ansible_delegated_vars", {}).get(action._task.delegate_to, {})
    pinned = variables.get("ansible_python_interpreter")
    if pinned is None:
        pinned = C.config.get_config_value("INTERPRETER_PYTHON")
    pinned = action._templar.template(pinned)
    # "auto", "auto_silent", "auto_legacy": the user left it to Ansible. Paths are compared as written, since the Python of
    # a virtual environment and the one that it links to have other libraries.
    return not str(pinned).startswith("auto") and pinned != sys.executable
