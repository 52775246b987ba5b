# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, failure
from ansible_collections.sovereign.vllm.plugins.plugin_utils._settings import SettingsReader, specification


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_async = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec(
            argument_spec={
                "role": {"type": "str"},
                "options": {"type": "dict", "default": {}},
                "prefix": {"type": "str"},
                "sources": {"type": "dict", "default": {}},
                "declaration": {"type": "str"},
                "secrets": {"type": "list", "elements": "str", "default": []},
                "require": {"type": "bool", "default": True},
            },
            required_one_of=[("role", "prefix")],
        )
        role = given["role"]
        reader = SettingsReader(
            {**(specification(self._loader.load_from_file, role) if role else {}), **given["options"]},
            given["prefix"] or f"{role}_",
            given["sources"],
            given["declaration"],
            tuple(given["secrets"]),
            given["require"],
        )
        try:
            result["settings"] = reader.settings(task_vars or {}, self._templar.template)
        except VllmError as error:
            return {**result, **failure(error), "failed": True}
        return {**result, "changed": False}
