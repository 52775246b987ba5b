# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs an operation as a module. The one place where a result becomes what Ansible's module protocol wants."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ._operation import Operation
from ._requests import REQUESTS_IMPORT_ERROR


def run_module(module: AnsibleModule, operation: Operation) -> None:
    """Run the operation with the module's options and end the module's process."""
    if REQUESTS_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR)
    result = operation.result(module.params, module.check_mode)
    for warning in result.pop("warnings", ()):
        module.warn(warning)
    if result.get("failed"):
        module.fail_json(**result)
    # An unreachable result as well: fail_json would add "failed", and Ansible would count a failure.
    module.exit_json(**result)
