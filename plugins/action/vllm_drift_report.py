# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.clock import utc
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.controller_action import ControllerAction
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import SettingsReader, specification
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.report_files import write_report


class ActionModule(ControllerAction):
    def work(self, given: Mapping, variables: dict) -> dict:
        reader = SettingsReader(specification(self._loader.load_from_file, "drift_report"), "drift_report_")
        now = utc()
        return write_report(variables, reader.settings(variables, self._templar.template), now)
