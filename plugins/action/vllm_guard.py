# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, failure
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import SettingsReader, plain, specification


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module with the variables of the role as options. They go from here to the module, and no result holds them."""
        result = super().run(tmp, task_vars)
        given = {name: value for name, value in plain(self._task.args).items() if value is not None}
        options = {
            variable: {key: value for key, value in spec.items() if key != "default"}
            for variable, spec in specification(self._loader.load_from_file, "guard").items()
            if variable.partition("_")[2] not in given
        }
        try:
            settings = SettingsReader(options, "guard_").settings(task_vars or {}, self._templar.template)
            return {**result, **self._execute_module(module_args={**settings, **given}, task_vars=task_vars)}
        except VllmError as error:
            return {**result, **failure(error), "failed": True}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
