# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs an operation as a module. The one place where a result becomes what Ansible's module protocol wants."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule

from .._errors import UNREACHABLE_CODES, VllmError, failure
from .._http.client import Client
from .._http.transport import REQUESTS_IMPORT_ERROR
from .argspec import endpoint_of

_MISSING_HINT = "install requests for this Python, or have a host that has it speak to the server with delegate_to"


@dataclass(frozen=True)
class Operation:
    """One module's work.

    :param argument_spec: as ``AnsibleModule`` takes it.
    :param run: gets the client, the options and whether it is check mode; returns the result or raises ``VllmError``.
    """

    argument_spec: dict
    run: Callable[[Client, Mapping, bool], dict]

    def result(self, options: Mapping, check_mode: bool) -> dict:
        """Return the result as a task reports it. An offline server is ``unreachable`` without ``failed``, which is how
        Ansible tells a host that is out of reach from one where something went wrong."""
        try:
            _require_requests()
            with Client(endpoint_of(options)) as client:
                result = self.run(client, options, check_mode)
        except VllmError as error:
            result = failure(error)
        if "error" in result:
            offline = result["error"]["code"] in UNREACHABLE_CODES and options["unreachable_as"] == "unreachable"
            result["unreachable" if offline else "failed"] = True
        return result


def _require_requests() -> None:
    """Raise VllmError where the Python that runs this lacks the library: a host can have several."""
    if REQUESTS_IMPORT_ERROR:
        reason = REQUESTS_IMPORT_ERROR.strip().splitlines()[-1]
        sentence = f"Could not import requests with {sys.executable} on {platform.node()}: {reason}; {_MISSING_HINT}."
        raise VllmError("requests_missing", sentence, detail=reason, hint=_MISSING_HINT)


if TYPE_CHECKING:
    from typing import Protocol

    class AnyOperation(Protocol):
        """An ``Operation``, which speaks to a server, or a ``FileOperation``, which does not."""

        def result(self, options: Mapping, check_mode: bool) -> dict: ...


class VllmModule(AnsibleModule):
    """An ``AnsibleModule`` that also tells of its own refusals by an ``error``, as every module of the collection does."""

    _refusal = ("invalid_request", "read the documentation of this option with ansible-doc")

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args, **more)
        # Once the options are read, Ansible itself fails only over owners and modes.
        self._refusal = ("store_error", "check owner, group and mode, and whether the task needs become")

    def fail_json(self, msg: str, **result: object) -> None:
        """End the process with a failure. See ``AnsibleModule``."""
        code, hint = self._refusal
        super().fail_json(msg, **{"error": VllmError(code, msg, hint=hint).as_dict(), **result})


def run_module(module: AnsibleModule, operation: AnyOperation) -> None:
    """Run the operation with the module's options and end the module's process."""
    result = operation.result(module.params, module.check_mode)
    for warning in result.pop("warnings", ()):
        module.warn(warning)
    if result.get("failed"):
        module.fail_json(**result)
    # An unreachable result as well: fail_json would add "failed", and Ansible would count a failure.
    module.exit_json(**result)
