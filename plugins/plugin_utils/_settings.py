# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what Ansible hands over: plain values, the key of a site, the variables of a role in their types."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ansible.module_utils.errors import UnsupportedError
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import read_adapters
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import read_option, refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, invalid_option, printable, quoted

if TYPE_CHECKING:
    from ansible.module_utils.errors import AnsibleValidationError
    from ansible.playbook.task import Task

# What the variable `omit` is before ansible-core 2.19, when it is text that goes on with a hash; since then a type of its own.
_OMIT_TEXT = "__omit_place_holder__"
_OMIT_TYPE = "_OmitType"


def plain(value: object) -> object:
    """Return it as dictionaries, lists and text: not lazy or tagged, as since ansible-core 2.19, nor ``!vault``, which before is
    a type of its own, and without what is omitted."""
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items() if not _is_omitted(item)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value if not _is_omitted(item)]
    return str(value) if isinstance(value, str) or hasattr(value, "__ENCRYPTED__") else value


def option_error(task: Task, problem: AnsibleValidationError) -> VllmError:
    """Return the error for options that a module would not take."""
    # The keyword `collections` lets a task use a short name, which ansible-doc does not find.
    module = task.resolved_action or task.action
    kind = f"Unsupported parameters for ({module}) module: " if isinstance(problem, UnsupportedError) else ""
    return VllmError("invalid_request", f"{kind}{problem}", f"see ansible-doc {module}")


def _is_omitted(value: object) -> bool:
    return type(value).__name__ == _OMIT_TYPE or (isinstance(value, str) and value.startswith(_OMIT_TEXT))


#: The host variable that names the environment variable.
NAMED_BY = "vllm_api_key_env"


def key_in(variable: str) -> str:
    """Return the key that this environment variable of the controller holds.

    :raises VllmError: ``invalid_request`` where it is not set: the key of other sites is not this one's business.
    """
    key = os.environ.get(variable)
    if not key:
        problem = f"names the environment variable {quoted(variable)}, which is not set"
        raise invalid_option("api_key_env", problem, "set it where Ansible runs; the server was not asked")
    return key


_ROLES = Path(__file__).resolve().parents[2] / "roles"


def specification(load: Callable[[str], object], role: str) -> dict:
    """Return the options of a role of this collection, by their names as variables.

    :param load: reads a file of YAML.
    """
    spec = plain(load(str(_ROLES / role / "meta" / "argument_specs.yml")))
    return spec["argument_specs"]["main"]["options"]


@dataclass(frozen=True)
class SettingsReader:
    """Reads the variables of one host.

    :param options: name of a variable → its option, as in an argument spec.
    :param prefix: of these names. It is cut off in the settings.
    :param sources: setting → the variables that can give it. The first of them that gives something wins.
    :param declaration: setting that holds declared adapters.
    :param secrets: settings that are left where they are.
    :param require: whether a variable that is required and missing is an error.
    """

    options: Mapping
    prefix: str
    sources: Mapping = field(default_factory=dict)
    declaration: str | None = None
    secrets: tuple = ()
    require: bool = True

    def settings(self, variables: Mapping, render: Callable[[object], object]) -> dict:
        """Return the settings that are given or have a default, by their names without the prefix.

        :param variables: of the host, as Ansible has them before they are rendered.
        :param render: renders one of them.
        :raises VllmError: ``invalid_request``, with a sentence that names the variable.
        """
        found = {}
        for variable, spec in self.options.items():
            name = variable[len(self.prefix) :] if variable.startswith(self.prefix) else variable
            if name in self.secrets:
                continue
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
            value = _resolved(variable, variables[variable], render)
            if name == self.declaration:
                # Null is a mistake here, and must not mean that nothing is declared.
                return None if value is _OMITTED else read_adapters(variable, value)
            value = None if value is _OMITTED else read_option(variable, value, spec)
            if value is not None:
                return value
        return None


_OMITTED = object()


def _resolved(variable: str, value: object, render: Callable[[object], object]) -> object:
    """Never falls back on anything: a template that cannot be rendered is no variable that is not set."""
    try:
        # In a container, from which everything that is omitted drops out.
        return plain(render({"value": value})).get("value", _OMITTED)
    except Exception as error:
        # A template can raise anything.
        raise refused(
            f"{variable} cannot be resolved ({printable(error).rstrip('.')})", "define what it uses"
        ) from None
