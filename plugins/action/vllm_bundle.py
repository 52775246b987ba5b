# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.controller_action import ControllerAction
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.bundles import write_bundles


class ActionModule(ControllerAction):
    argument_spec: ClassVar = {
        "directory": {"type": "str"},
        "hosts": {"type": "list", "elements": "dict", "required": True},
        "missing": {"type": "list", "elements": "str", "default": []},
        "signing_key": {"type": "str"},
        "full": {"type": "bool", "default": False},
        "collection": {"type": "str"},
        "wheels": {"type": "str"},
        "results": {"type": "list", "elements": "str", "default": []},
        "result_signers": {"type": "str"},
    }

    def work(self, given: Mapping, variables: dict) -> dict:
        return write_bundles(plain(given), variables["hostvars"], self._loader, self._task.check_mode)
