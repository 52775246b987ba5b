# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values as a module would have them, in place of what Ansible has on the controller, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ansible.module_utils.errors import UnsupportedError
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError

if TYPE_CHECKING:
    from ansible.module_utils.errors import AnsibleValidationError
    from ansible.playbook.task import Task

# What the variable `omit` is before ansible-core 2.19, when it is text that goes on with a hash; since then a type of its own.
_OMIT_TEXT = "__omit_place_holder__"
_OMIT_TYPE = "_OmitType"


def plain(value: object) -> object:
    """Return it as dictionaries, lists and text: not lazy or tagged, as since ansible-core 2.19, nor ``!vault``, which before is
    a type of its own, and without what is omitted."""
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items() if not _is_omitted(item)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value if not _is_omitted(item)]
    return str(value) if isinstance(value, str) or hasattr(value, "__ENCRYPTED__") else value


def option_error(task: Task, problem: AnsibleValidationError) -> VllmError:
    """Return the error for options that a module would not take."""
    # The keyword `collections` lets a task use a short name, which ansible-doc does not find.
    module = task.resolved_action or task.action
    kind = f"Unsupported parameters for ({module}) module: " if isinstance(problem, UnsupportedError) else ""
    hint = f"see ansible-doc {module}"
    return VllmError("invalid_request", f"{kind}{str(problem).rstrip('.')}; {hint}.", hint=hint)


def _is_omitted(value: object) -> bool:
    return type(value).__name__ == _OMIT_TYPE or (isinstance(value, str) and value.startswith(_OMIT_TEXT))
