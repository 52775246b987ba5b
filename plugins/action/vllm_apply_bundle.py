# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.controller_action import ControllerAction
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.applying import apply_bundle


class ActionModule(ControllerAction):
    argument_spec: ClassVar = {
        "bundle": {"type": "str"},
        "directory": {"type": "str"},
        "node": {"type": "str"},
        "result_directory": {"type": "str"},
        "result_key": {"type": "str"},
    }

    def work(self, given: Mapping, variables: dict) -> dict:
        return apply_bundle(plain(given), self._task.check_mode)
