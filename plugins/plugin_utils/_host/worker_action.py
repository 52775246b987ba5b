# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of all modules that talk to a server. It completes the options by the variables of the host, and decides where
the work is done.

If the controller is to ask, Ansible's worker does the work: a module starts a Python process, which takes ten times as long
as its request. If the host is to ask, Ansible runs the module there as usual.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import sys
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from ansible import constants as C
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import read_option, refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, failure, invalid_option, quoted
from ansible_collections.sovereign.vllm.plugins.module_utils._http.transport import REQUESTS_IMPORT_ERROR
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.operation import (
    SERVER_OPTIONS,
    ServerOperation,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.endpoint import is_loopback
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.connection import (
    HOST_OPTIONS,
    ServerHost,
    asked_url,
    completed,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.progress import speaking
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import environment_set, option_error, plain

# A module that runs on a host has no use for these.
_OF_THE_ACTION = ("api_key_env", "ask_from", "server_of")
# Options for which null means that the task does not set them.
_NULLABLE = HOST_OPTIONS | {"server_of"}
# A server that misses a key, or a client certificate.
_OF_CREDENTIALS = ("unauthorized", "tls")


def runs_in_worker(action: ActionBase, task_vars: dict) -> bool:
    """Return whether the worker can do the work: with a local connection, the same user, the same Python, ``requests``
    installed, and no async."""
    return (
        action._connection.transport == "local"
        and not action._task.async_val
        and not REQUESTS_IMPORT_ERROR
        and not _becomes_another_user(action)
        and not _is_pinned_elsewhere(action, task_vars)
    )


def _becomes_another_user(action: ActionBase) -> bool:
    become = action._connection.become
    if become is None:
        return False
    try:
        user = pwd.getpwnam(become.get_option("become_user", playcontext=action._play_context))
    # The controller has no such user, or the become plugin has no default user.
    except (KeyError, TypeError):
        return True
    return user.pw_uid != os.geteuid()


def _is_pinned_elsewhere(action: ActionBase, task_vars: dict) -> bool:
    variables = task_vars
    if action._task.delegate_to:
        variables = task_vars.get("ansible_delegated_vars", {}).get(action._task.delegate_to, {})
    pinned = variables.get("ansible_python_interpreter")
    if pinned is None:
        pinned = C.config.get_config_value("INTERPRETER_PYTHON")
    pinned = action._templar.template(pinned)
    # "auto", "auto_silent", "auto_legacy": Ansible chooses. Paths are compared as written, since the Python of a virtual
    # environment has other libraries than the Python that it links to.
    return not str(pinned).startswith("auto") and pinned != sys.executable


class WorkerAction(ActionBase):
    #: The work of the module. Each action sets it.
    operation: ServerOperation

    # With async, the module runs.
    _supports_async = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        try:
            return {**result, **self._result_of(self.operation, self._given_options(), task_vars or {})}
        except VllmError as error:
            return {**result, **failure(error), "failed": True}

    def _result_of(
        self, operation: ServerOperation, given: dict, task_vars: dict[str, Any], module: str | None = None
    ) -> dict[str, Any]:
        """Do the work with these options, in the worker or on the host, and return its result.

        :param module: the module that does this work on a host; by default the one of the task.
        :raises VllmError: if an option makes no sense.
        """
        environment: dict = {}
        self._compute_environment_string(environment)
        server = self._server(given, environment, task_vars)
        options = completed(given, environment, server, operation.options)
        in_worker = self._is_asked_by_controller(options) or runs_in_worker(self, task_vars)
        # As in a module, the keyword `environment` sets options and the variables of proxies and certificates.
        with environment_set(environment):
            validation = ModuleArgumentSpecValidator(operation.argument_spec).validate(options)
            if validation.errors.errors:
                raise option_error(self._task, validation.errors.errors[0])
            self._refuse_loopback(validation.validated_parameters.get("base_url"), in_worker, server, task_vars)
            if in_worker:
                secrets = validation._no_log_values
                operation.watch = partial(_watched, server.name, secrets)
                done = operation.result(validation.validated_parameters, self._task.check_mode)
                done = remove_values(done, secrets)
        if not in_worker:
            with self._watched_on_host(server.name, operation, validation.validated_parameters):
                done = self._run_module(operation, options, environment, task_vars, module)
        if (done.get("error") or {}).get("code") in _OF_CREDENTIALS and not server.is_at(asked_url(given, environment)):
            done["msg"] += f" The credentials of {server.name} were not sent, since this is not its vllm_base_url."
        return done

    def _watched_on_host(self, site: str, operation: ServerOperation, options: Mapping) -> AbstractContextManager:
        """Return the context for a module on the host. It does not tell which adapter it loads."""
        if "load_timeout" not in operation.options or self._task.check_mode or self._task.async_val:
            return contextlib.nullcontext()
        return speaking(
            site, "loading and unloading adapters from the host", f"{options['load_timeout']:g} s for each load"
        )

    def _given_options(self) -> dict:
        """Return the options of the task and of module_defaults. Null is no option of a connection."""
        args = plain(self._task.args)
        return {name: value for name, value in args.items() if value is not None or name not in _NULLABLE}

    def _server(self, given: dict, environment: dict, task_vars: dict) -> ServerHost:
        """Return the host whose server is asked: the one of the task, or the one that ``server_of`` names."""
        own = task_vars.get("inventory_hostname")
        name = read_option("option server_of", given.get("server_of"), SERVER_OPTIONS["server_of"])
        if name is None or name == own:
            return ServerHost(str(own), task_vars, self._templar.template)
        hosts = task_vars["hostvars"]
        if name not in hosts:
            raise invalid_option("server_of", f"names {quoted(name)}, which is no host of the inventory", "correct it")
        # Rendered as for that host, and without the variables of the play, as in `hostvars`. `hostvars` itself would hide an
        # undefined variable before ansible-core 2.19.
        variables = {**hosts.raw_get(name), "hostvars": hosts}
        render = self._templar.copy_with_new_env(available_variables=variables).template
        server = ServerHost(str(name), variables, render, is_of_task=False)
        if asked_url(given, environment) is not None:
            raise invalid_option("server_of", "is given together with an address", "remove base_url and VLLM_BASE_URL")
        return server

    def _is_asked_by_controller(self, options: dict) -> bool:
        """Return whether ``ask_from`` has the worker ask, whatever the connection, the user and the Python of the host."""
        if options.get("ask_from") != "controller" or self._task.delegate_to:
            return False
        if not self._task.async_val:
            return True
        if self._connection.transport == "local":
            return False
        problem = (
            f"is controller, but async starts the module on the host, by the connection {self._connection.transport}"
        )
        raise invalid_option("ask_from", problem, "remove async, or delegate the task to localhost")

    def _refuse_loopback(self, url: str | None, in_worker: bool, server: ServerHost, task_vars: dict) -> None:
        """Raise VllmError if another machine than the server's own would ask at a loopback address. It would ask the wrong
        server."""
        is_local = self._connection.transport == "local"
        if self._task.delegate_to or (server.is_of_task and (is_local or not in_worker)):
            return
        if not url or not is_loopback(url):
            return
        if in_worker or is_local:
            if server.is_controller(self._task.connection):
                return
            asker = "the controller"
        else:
            own = ServerHost(str(task_vars.get("inventory_hostname")), task_vars, self._templar.template)
            if own.address == server.address:
                return
            asker = own.name
        advice = f"set vllm_base_url to an address that {asker} can reach"
        if asker == "the controller":
            advice += ", or ansible_connection to local if the server runs on the controller"
        raise refused(f"The server of {server.name} is at {url} as its node sees it, but {asker} would ask", advice)

    def _run_module(
        self, operation: ServerOperation, options: dict, environment: dict, task_vars: dict, module: str | None
    ) -> dict:
        args = {name: value for name, value in options.items() if name not in _OF_THE_ACTION}
        for option, spec in operation.options.items():
            variable = spec.get("env", "")
            if option not in args and variable not in environment and os.environ.get(variable):
                args[option] = os.environ[variable]
        return self._execute_module(module, args, task_vars=task_vars, wrap_async=self._task.async_val)


def _watched(site: str, secrets: Collection[str], activity: str, limit: float) -> AbstractContextManager:
    return speaking(site, remove_values(activity, secrets), f"{limit:g} s")
