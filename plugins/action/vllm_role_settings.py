# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, failure
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.resolution import checked_settings
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.trust import (
    refuse_unverified,
    trust_with_keys,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.files import finder
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import (
    SettingsReader,
    refused_host_variable,
    specification,
    variables_of_host,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._rollout.approval import approved_plans


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
                "declaration": {"type": "str"},
                "report": {"type": "str"},
                "play_variables": {"type": "list", "elements": "str", "default": []},
                "require": {"type": "bool", "default": True},
            },
            required_one_of=[("role", "prefix")],
        )
        role = given["role"]
        prefix = given["prefix"] or f"{role}_"
        specs = specification(self._loader.load_from_file, role) if role else {}
        reader = SettingsReader(
            {**specs, **given["options"]}, prefix, declaration=given["declaration"], require=given["require"]
        )
        variables = task_vars or {}
        misplaced = variables_of_host(given["play_variables"], variables, self._task, self._loader)
        try:
            if misplaced:
                raise refused_host_variable(misplaced[0], variables.get("inventory_hostname"))
            settings = reader.settings(variables, self._templar.template)
            if given["require"] and role == "lora":
                checked_settings(settings)
            if given["require"] and settings.get("trust"):
                settings["trust"] = trust_with_keys(f"{prefix}trust", settings["trust"], finder(self))
                refuse_unverified(f"{prefix}{given['declaration']}", settings["adapters"], settings["trust"])
            report = given["report"]
            if settings.get(report):
                settings[report] = approved_plans(prefix + report, settings[report])
        except VllmError as error:
            return {**result, **failure(error), "failed": True, "misplaced": misplaced}
        return {**result, "changed": False, "settings": settings}
