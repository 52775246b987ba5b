# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of all modules, and the one place where a result becomes what Ansible's module protocol wants."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.parameters import env_fallback

from .._errors import UNREACHABLE_CODES, VllmError, failure, invalid_option
from .._http.client import Client
from .._http.transport import REQUESTS_IMPORT_ERROR
from .._vllm.endpoint import CONNECTION_OPTIONS, endpoint_of

if TYPE_CHECKING:
    from .._http.client import Watch

#: The options of every module that talks to a server.
SERVER_OPTIONS: dict[str, dict] = {
    **CONNECTION_OPTIONS,
    "unreachable_as": {"type": "str", "choices": ["unreachable", "failed"], "default": "unreachable"},
    # The action on the controller reads these. A module gets the key itself.
    "api_key_env": {"type": "str", "no_log": False},
    "ask_from": {"type": "str", "choices": ["controller", "host"], "default": "host"},
    "server_of": {"type": "str"},
}
_MISSING_HINT = "install requests for this Python, or have a host that has it speak to the server with delegate_to"


class Operation:
    """The work of one module. Modules call it by :func:`run_module`, actions in Ansible's worker by :meth:`result`."""

    #: As in an argument spec; ``env`` names the variable of the environment that an option falls back to.
    options: ClassVar[Mapping[str, Mapping[str, Any]]]
    #: Other arguments of ``AnsibleModule``, such as ``required_one_of``.
    rules: ClassVar[Mapping[str, Any]] = {}
    #: Sets owner, group and mode of a file as the task wants them; returns whether that changed anything. Modules have it.
    set_attributes: Callable[[str], bool]

    @property
    def argument_spec(self) -> dict[str, dict]:
        """The options as Ansible takes them."""
        return {name: _with_fallback(option) for name, option in self.options.items()}

    def run(self, options: Mapping, check_mode: bool) -> dict:
        """Do the work and return its result.

        :raises VllmError: if nothing of the work could be done.
        """
        raise NotImplementedError

    def result(self, options: Mapping, check_mode: bool) -> dict:
        """Return the result as a task reports it. One that has an ``error`` has failed."""
        try:
            result = self.run(options, check_mode)
        except VllmError as error:
            result = failure(error)
        return {**result, "failed": True} if "error" in result else result


def _with_fallback(option: Mapping[str, Any]) -> dict[str, Any]:
    spec = dict(option)
    variable = spec.pop("env", None)
    return {**spec, "fallback": (env_fallback, [variable])} if variable else spec


class ServerOperation(Operation):
    """The work of a module that talks to a server."""

    #: Watches long requests, as of a client. An action sets it, to speak meanwhile.
    watch: Watch | None = None

    def ask(self, client: Client, options: Mapping, check_mode: bool) -> dict:
        """Do the work by requests of the client. See ``run``."""
        raise NotImplementedError

    def run(self, options: Mapping, check_mode: bool) -> dict:
        """Do the work with a client for the server that the options describe."""
        if options["base_url"] is None:
            # Not a required option, since a host variable or the environment can give it.
            raise invalid_option("base_url", "is not set", "give it, or set the host variable vllm_base_url")
        require_requests()
        with Client(endpoint_of(options)) as client:
            if self.watch:
                client.watch = self.watch
            return self.ask(client, options, check_mode)

    def result(self, options: Mapping, check_mode: bool) -> dict:
        """Return the result as a task reports it. An offline server is ``unreachable`` without ``failed``: that is how
        Ansible tells a host that is out of reach from one on which something went wrong."""
        result = super().result(options, check_mode)
        code = result["error"]["code"] if "error" in result else ""
        if code in UNREACHABLE_CODES and options["unreachable_as"] == "unreachable":
            del result["failed"]
            result["unreachable"] = True
        return result


def require_requests(hint: str = _MISSING_HINT) -> None:
    """Raise VllmError if the Python that runs this lacks the library: a host can have several."""
    if REQUESTS_IMPORT_ERROR:
        reason = REQUESTS_IMPORT_ERROR.strip().splitlines()[-1]
        attempt = f"import requests with {sys.executable} on {platform.node()}"
        raise VllmError("requests_missing", reason, hint, attempt, detail=reason)


class VllmModule(AnsibleModule):
    """An ``AnsibleModule`` whose own refusals have an ``error`` as well, as all failures of the collection."""

    _refusal = ("invalid_request", "read the documentation of this option with ansible-doc")

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation.argument_spec, supports_check_mode=True, **operation.rules)
        # Once the options are read, Ansible itself fails only over owners and modes.
        self._refusal = ("store_error", "check owner, group and mode, and whether the task needs become")

    def fail_json(self, msg: str, **result: Any) -> NoReturn:
        """End the process with a failure. See ``AnsibleModule``."""
        code, hint = self._refusal
        super().fail_json(msg, **{"error": VllmError(code, msg, hint).as_dict(), **result})


def run_module(operation: Operation) -> None:
    """Run the operation as a module and end the module's process."""
    module = VllmModule(operation)
    operation.set_attributes = partial(_set_attributes, module)
    result = operation.result(module.params, module.check_mode)
    for warning in result.pop("warnings", ()):
        module.warn(warning)
    if result.get("failed"):
        module.fail_json(**result)
    # An unreachable result as well: fail_json would add "failed", and Ansible would count a failure.
    module.exit_json(**result)


def _set_attributes(module: AnsibleModule, path: str) -> bool:
    return module.set_fs_attributes_if_different(module.load_file_common_arguments(module.params, path=path), False)
