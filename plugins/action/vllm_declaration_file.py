# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ansible_collections.sovereign.vllm.plugins.plugin_utils._export.event_file import write_declaration
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.controller_action import ControllerAction


class ActionModule(ControllerAction):
    argument_spec: ClassVar = {
        "file": {"type": "str"},
        "endpoints": {"type": "list", "elements": "dict", "required": True},
        "not_declared": {"type": "list", "elements": "str", "default": []},
        "missing": {"type": "list", "elements": "str", "default": []},
        "partial": {"type": "bool", "default": False},
    }

    def work(self, given: Mapping, variables: dict) -> dict:
        return write_declaration(given, self._task.check_mode)
