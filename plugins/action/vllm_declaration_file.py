# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, failure
from ansible_collections.sovereign.vllm.plugins.plugin_utils._event_file import write_declaration


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_async = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec(
            argument_spec={
                "file": {"type": "str"},
                "endpoints": {"type": "list", "elements": "dict", "required": True},
                "not_declared": {"type": "list", "elements": "str", "default": []},
                "missing": {"type": "list", "elements": "str", "default": []},
                "partial": {"type": "bool", "default": False},
            }
        )
        try:
            return {**result, **write_declaration(given, self._task.check_mode)}
        except VllmError as error:
            return {**result, **failure(error), "failed": True}
