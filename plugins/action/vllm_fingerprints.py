# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.fingerprints import fingerprints_of_host
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.controller_action import ControllerAction
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain


class ActionModule(ControllerAction):
    argument_spec: ClassVar = {
        "directory": {"type": "str", "required": True},
        "adapters": {"type": "list", "elements": "dict", "default": []},
        "served_names": {"type": "dict", "default": {}},
        "taken": {"type": "dict"},
        "restore": {"type": "dict"},
    }

    def work(self, given: Mapping, variables: dict) -> dict:
        return fingerprints_of_host(plain(given), str(variables["inventory_hostname"]), self._task.check_mode)
