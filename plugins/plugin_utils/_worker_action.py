# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is the same for all modules that talk to a server: run inside Ansible's worker where the task is the controller's.

A module run starts a Python process, which takes ten times as long as the request that it is for. Where the task runs
elsewhere, its module is run as usual, with the key of the controller's environment.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ansible import constants as C
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator, ValidationResult
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.errors import RequiredError
from ansible.plugins.action import ActionBase
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, failure
from ansible_collections.sovereign.vllm.plugins.module_utils._http.transport import REQUESTS_IMPORT_ERROR
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.operation import ServerOperation
from ansible_collections.sovereign.vllm.plugins.plugin_utils._settings import NAMED_BY, key_in, option_error, plain

if TYPE_CHECKING:
    from ansible.plugins.action import ActionBase


def runs_in_worker(action: ActionBase, task_vars: dict) -> bool:
    """Return whether the worker can do the work itself: a local connection, no other user, no async, no Python that the
    user pinned to another one, and ``requests`` at hand."""
    return (
        action._connection.transport == "local"
        and not action._task.async_val
        and not REQUESTS_IMPORT_ERROR
        and not _becomes_somebody_else(action)
        and not _is_pinned_elsewhere(action, task_vars)
    )


def _becomes_somebody_else(action: ActionBase) -> bool:
    become = action._connection.become
    if become is None:
        return False
    try:
        user = pwd.getpwnam(become.get_option("become_user", playcontext=action._play_context))
    # Nobody of that name here, or a way to become somebody that has no default.
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
    # "auto", "auto_silent", "auto_legacy": the user left it to Ansible. Paths are compared as written, since the Python of
    # a virtual environment and the one that it links to have other libraries.
    return not str(pinned).startswith("auto") and pinned != sys.executable


class WorkerAction(ActionBase):
    #: What the module does; set by each action.
    operation: ServerOperation

    # Only the module can be run asynchronously, and is.
    _supports_async = True
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None) -> dict:
        result = super().run(tmp, task_vars)
        environment: dict = {}
        self._compute_environment_string(environment)
        in_worker = runs_in_worker(self, task_vars)
        try:
            args = {**self._key_of_site(environment, task_vars), **self._task.args}
            # As a module has it: the keyword `environment` reaches the options and the proxy and certificate variables.
            with _set(environment):
                validation = ModuleArgumentSpecValidator(self.operation.argument_spec).validate(plain(args))
                self._refuse(validation, in_worker)
                if in_worker:
                    done = self.operation.result(validation.validated_parameters, self._task.check_mode)
                    return {**result, **remove_values(done, validation._no_log_values)}
        except VllmError as error:
            return {**result, **failure(error), "failed": True}
        return {**result, **self._run_module(args, environment, task_vars)}

    def _key_of_site(self, environment: dict, task_vars: dict) -> dict:
        """Return the option with the key of a host that has one of its own, unless the task gives one."""
        named = self._templar.template(task_vars.get(NAMED_BY))
        if not named or "api_key" in self._task.args or "VLLM_API_KEY" in environment:
            return {}
        return {"api_key": key_in(named)}

    def _refuse(self, validation: ValidationResult, in_worker: bool) -> None:
        """Raise VllmError for options that the module would not take. What is missing may be in the host's environment."""
        problems = [one for one in validation.errors.errors if in_worker or not isinstance(one, RequiredError)]
        if problems:
            raise option_error(self._task, problems[0])

    def _run_module(self, args: dict, environment: dict, task_vars: dict) -> dict:
        for option, spec in self.operation.options.items():
            variable = spec.get("env", "")
            if option not in args and variable not in environment and os.environ.get(variable):
                args[option] = os.environ[variable]
        return self._execute_module(module_args=args, task_vars=task_vars, wrap_async=self._task.async_val)


@contextlib.contextmanager
def _set(environment: dict) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update({str(name): str(value) for name, value in environment.items()})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
