# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, failure
from ansible_collections.sovereign.vllm.plugins.plugin_utils._adoption import adopt_site


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_async = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec(
            argument_spec={
                "observed": {"type": "dict", "required": True},
                "directory": {"type": "str"},
                "overwrite": {"type": "bool", "default": False},
            }
        )
        try:
            done = adopt_site(
                given, task_vars or {}, self._templar.template, self._loader.load_from_file, self._task.check_mode
            )
        except VllmError as error:
            return {**result, **failure(error), "failed": True}
        return {**result, **done}
