# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read values from Ansible: plain values, the key of a site, the variables of a role in their types."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.module_utils.errors import UnsupportedError
from ansible.utils.vars import load_extra_vars
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import read_adapters
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import read_option, refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, invalid_option, printable, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible.module_utils.errors import AnsibleValidationError
    from ansible.parsing.dataloader import DataLoader
    from ansible.playbook.task import Task

# Before ansible-core 2.19, the variable `omit` is this text and a hash. Since then, it has its own type.
_OMIT_TEXT = "__omit_place_holder__"
_OMIT_TYPE = "_OmitType"


def plain(value: Any) -> Any:
    """Return the value as dictionaries, lists and text, without omitted entries. Since ansible-core 2.19, values are lazy and
    tagged. Before, ``!vault`` is a type."""
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items() if not _is_omitted(item)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value if not _is_omitted(item)]
    # Not str(): the text of a server would keep its mark, which YAML cannot write.
    if isinstance(value, str):
        return str.__str__(value)
    return str(value) if hasattr(value, "__ENCRYPTED__") else value


def option_error(task: Task, problem: AnsibleValidationError) -> VllmError:
    """Return the error for options that the module would refuse."""
    # With the keyword `collections`, a task can use a short name, which ansible-doc does not find.
    module = task.resolved_action or task.action
    kind = f"Unsupported parameters for ({module}) module: " if isinstance(problem, UnsupportedError) else ""
    return VllmError("invalid_request", f"{kind}{problem}", f"see ansible-doc {module}")


def _is_omitted(value: object) -> bool:
    return type(value).__name__ == _OMIT_TYPE or (isinstance(value, str) and value.startswith(_OMIT_TEXT))


#: The host variable with the name of the environment variable that holds the key.
KEY_VARIABLE = "vllm_api_key_env"


def key_in(variable: str) -> str:
    """Return the key in this environment variable of the controller.

    :raises VllmError: ``invalid_request`` if the variable is not set. The key of other sites is never sent instead.
    """
    key = os.environ.get(variable)
    if not key:
        problem = f"names the environment variable {quoted(variable)}, which is not set"
        raise invalid_option("api_key_env", problem, "set it where Ansible runs; the server was not asked")
    return key


#: The directory of the roles of this collection.
ROLES = Path(__file__).resolve().parents[3] / "roles"


def specification(load: Callable[[str], object], role: str) -> dict:
    """Return the options of a role of this collection, by the names of their variables.

    :param load: reads a YAML file.
    """
    spec = plain(load(str(ROLES / role / "meta" / "argument_specs.yml")))
    return spec["argument_specs"]["main"]["options"]


@dataclass(frozen=True)
class SettingsReader:
    """Reads the variables of one host.

    :param options: name of a variable → its option, as in an argument spec.
    :param prefix: the prefix of these names. The settings do not have it.
    :param sources: setting → its variables. The first variable with a value wins.
    :param declaration: the setting that holds declared adapters.
    :param require: True if a missing variable of a required option is an error.
    """

    options: Mapping
    prefix: str
    sources: Mapping = field(default_factory=dict)
    declaration: str | None = None
    require: bool = True

    def settings(self, variables: Mapping, render: Callable[[object], object]) -> dict:
        """Return the settings that have a value or a default, by their names without the prefix.

        :param variables: the variables of the host, before Ansible renders them.
        :param render: renders one variable.
        :raises VllmError: ``invalid_request``, with a message that names the variable.
        """
        found = {}
        for variable, spec in self.options.items():
            name = variable[len(self.prefix) :] if variable.startswith(self.prefix) else variable
            value = self._given(name, self.sources.get(name, [variable]), spec, variables, render)
            if value is None and spec.get("required") and self.require:
                raise refused(f"{variable} is not set", "set it for this host")
            value = spec.get("default") if value is None else value
            if value is not None:
                found[name] = value
        return found

    def _given(self, name: str, sources: list, spec: Mapping, variables: Mapping, render: Callable) -> object:
        for variable in sources:
            if variable not in variables:
                continue
            value = _resolved(variable, variables[variable], render, bool(spec.get("no_log")))
            if name == self.declaration:
                # Null is a mistake here, and must not be read as an empty declaration.
                return None if value is _OMITTED else read_adapters(variable, value)
            value = None if value is _OMITTED else read_option(variable, value, spec)
            if value is not None:
                return value
        return None


def value_of(variable: str, variables: Mapping, render: Callable[[object], object]) -> Any:
    """Return the rendered value of a variable of a host, None if it has none.

    :raises VllmError: ``invalid_request``, with a message that names the variable, if it cannot be rendered.
    """
    value = _resolved(variable, variables.get(variable), render, False)
    return None if value is _OMITTED else value


def variables_of_host(names: Iterable[str], variables: Mapping, task: Task, loader: DataLoader) -> list[str]:
    """Return those of the variables that only the host of the task or a group of it sets, not ``-e`` and not the play."""
    found = [name for name in names if name in variables]
    if not found:
        return []
    others = {**load_extra_vars(loader), **task.get_play().get_vars(), **task.get_vars()}
    return [name for name in found if name not in others]


def refused_host_variable(variable: str, host: object) -> VllmError:
    """Return the error for a variable that shapes the play, and that a host or a group sets."""
    problem = f"{variable} is a variable of {host} or of its groups, and Ansible shapes a play before it reads those"
    return refused(problem, f"remove it there, and give it by -e {variable}=... or by a survey")


@contextlib.contextmanager
def environment_set(environment: Mapping) -> Iterator[None]:
    """Add variables to the environment of this process while the block runs."""
    before = dict(os.environ)
    os.environ.update({str(name): str(value) for name, value in environment.items()})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


_OMITTED = object()
_BEFORE_TEMPLATE = " String: "


def _resolved(variable: str, value: object, render: Callable[[object], object], is_secret: bool) -> object:
    """Return the rendered value. A template that cannot be rendered is an error, never an unset variable."""
    try:
        # In a dictionary, from which `plain` removes an omitted value.
        return plain(render({"value": value})).get("value", _OMITTED)
    except Exception as error:
        # A template can raise anything.
        reason = printable(error)
        if is_secret:
            # Before ansible-core 2.19, a message can end in the template, and the template can hold the secret.
            reason = reason.partition(_BEFORE_TEMPLATE)[0]
        raise refused(
            f"{variable} cannot be resolved ({reason.rstrip('.')})", "define the variables that it uses"
        ) from None
