# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ansible_collections.sovereign.vllm.plugins.plugin_utils._export.adoption import adopt_site
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.controller_action import ControllerAction


class ActionModule(ControllerAction):
    argument_spec: ClassVar = {
        "observed": {"type": "dict", "required": True},
        "directory": {"type": "str"},
        "overwrite": {"type": "bool", "default": False},
    }

    def work(self, given: Mapping, variables: dict) -> dict:
        load = self._loader.load_from_file
        return adopt_site(given, variables, self._templar.template, load, self._task.check_mode)
