# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, failure
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report_files import write_report
from ansible_collections.sovereign.vllm.plugins.plugin_utils._settings import SettingsReader, specification


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_async = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec={})
        variables = task_vars or {}
        reader = SettingsReader(specification(self._loader.load_from_file, "drift_report"), "drift_report_")
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        try:
            settings = reader.settings(variables, self._templar.template)
            return {**result, **write_report(variables, settings, now)}
        except VllmError as error:
            return {**result, **failure(error), "failed": True}
