# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules whose work is done on the controller alone, without a connection to the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.plugins.action import ActionBase
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, failure
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.files import unusable_file


class ControllerAction(ActionBase):
    #: As in a module. Each action sets it.
    argument_spec: ClassVar[dict[str, dict]] = {}

    _requires_connection = False
    _supports_async = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec(argument_spec=self.argument_spec)
        try:
            return {**result, **self.work(given, task_vars or {})}
        except VllmError as error:
            return {**result, **failure(error), "failed": True}
        except OSError as error:
            return {**result, **failure(unusable_file(error)), "failed": True}

    def work(self, given: Mapping, variables: dict) -> dict:
        """Do the work and return its result.

        :param given: the options of the task, checked.
        :param variables: of the host.
        :raises VllmError: if the work could not be done.
        :raises OSError: if a file of this machine cannot be used.
        """
        raise NotImplementedError
