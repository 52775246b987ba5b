# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, failure
from ansible_collections.sovereign.vllm.plugins.plugin_utils._connection import ServerHost
from ansible_collections.sovereign.vllm.plugins.plugin_utils._event_file import declared_endpoint
from ansible_collections.sovereign.vllm.plugins.plugin_utils._resolution import (
    DECLARATION,
    ControllersArtifacts,
    resolved,
    settings_of,
)


class ActionModule(ActionBase):
    _supports_async = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec={})
        variables = task_vars or {}
        if DECLARATION not in variables:
            return {**result, "changed": False, "endpoint": None}
        server = ServerHost(str(variables["inventory_hostname"]), variables, self._templar.template)
        artifacts = ControllersArtifacts(self._find, self._loader)
        try:
            settings = settings_of(variables, self._templar.template)
            endpoint = declared_endpoint(
                server, self._task.connection, settings, lambda given: resolved(given, artifacts)
            )
        except VllmError as error:
            return {**result, **failure(error), "failed": True}
        return {**result, "changed": False, "endpoint": endpoint}

    def _find(self, source: str) -> str | None:
        try:
            return self._find_needle("files", source)
        except AnsibleError:
            return None
