# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection belongs to the host: each option of a connection has a host variable ``vllm_<option>``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._converge.converge import CONVERGE_OPTIONS
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.operation import SERVER_OPTIONS
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.endpoint import is_loopback_host, is_same_server
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import SettingsReader, key_in

PREFIX = "vllm_"
# `server_of` chooses the host whose variables are read, so it is none of them.
_SPECS = {**SERVER_OPTIONS, "load_timeout": CONVERGE_OPTIONS["load_timeout"]}
#: The options that have a host variable.
HOST_OPTIONS = frozenset(_SPECS) - {"server_of"}
_VARIABLES = {f"{PREFIX}{name}": (name, _SPECS[name]) for name in HOST_OPTIONS}
# Without default, so that only options with a value are found.
_VARIABLE_SPECS = {
    variable: {key: value for key, value in spec.items() if key not in ("default", "required")}
    for variable, (_name, spec) in _VARIABLES.items()
}
_KEY = frozenset(("api_key", "api_key_env"))
_CERTIFICATE = frozenset(("client_cert", "client_key"))
#: The options that only the host's own server may see.
CREDENTIALS = _KEY | _CERTIFICATE


def connection_of(
    variables: Mapping, render: Callable[[object], object], names: Collection[str] = HOST_OPTIONS
) -> dict[str, object]:
    """Return the connection options that the variables of a host set, each in its type, by their names without the prefix.

    ``api_key`` is "" if the host has no key, also not the one of the fleet. There is then no ``api_key_env``.

    :param variables: of the host, before Ansible renders them.
    :param render: renders one variable.
    :param names: the options to look for. Other variables are not rendered.
    :raises VllmError: ``invalid_request``, with a message that names the variable.
    """
    specs = {
        variable: spec
        for variable, spec in _VARIABLE_SPECS.items()
        if variable in variables and _VARIABLES[variable][0] in names
    }
    found = SettingsReader(specs, PREFIX).settings(variables, render)
    if found.get("api_key") == "":
        found.pop("api_key_env", None)
    _require_one_key(found, PREFIX, "set the other one to null for this host")
    return found


def key_of(options: Mapping) -> str | None:
    """Return the key of a server: ``api_key``, or the key in the variable of the controller's environment that
    ``api_key_env`` names. "" is no key, also not the one of the fleet. None is nothing of it.

    :param options: what :func:`connection_of` returns, or the options of a task.
    :raises VllmError: ``invalid_request`` if both are given, or if the variable is not set.
    """
    _require_one_key(options)
    variable = options.get("api_key_env")
    return key_in(str(variable)) if variable else options.get("api_key")


def completed(given: Mapping, environment: Mapping, server: ServerHost, known: Collection[str]) -> dict[str, object]:
    """Return the options of a task, completed by those of the host whose server it asks, with the key in ``api_key``.

    Key and client certificate of the host are used only if the task gives no other ``base_url``. Options that neither the
    task nor the host has are left to the environment of the controller and of the machine that asks.

    :param given: the options that the task has, without null.
    :param environment: of the task keyword ``environment``.
    :param known: the options that the module has.
    :raises VllmError: ``invalid_request`` for a variable or a key that cannot be used.
    """
    left = {
        name for name in HOST_OPTIONS.intersection(known) - given.keys() if _SPECS[name].get("env") not in environment
    }
    if _KEY & given.keys() or "VLLM_API_KEY" in environment:
        left -= _KEY
    if _CERTIFICATE & given.keys():
        left -= _CERTIFICATE
    if not server.is_at(asked_url(given, environment)):
        left -= CREDENTIALS
    options = {**connection_of(server.variables, server.render, left), **given}
    key = key_of(options)
    options.pop("api_key_env", None)
    return options if key is None else {**options, "api_key": key}


def asked_url(given: Mapping, environment: Mapping) -> object:
    """Return the address that a task gives itself, or None. See :func:`completed`."""
    return given.get("base_url", environment.get("VLLM_BASE_URL"))


@dataclass(frozen=True)
class ServerHost:
    """The host whose server a task asks.

    :param name: in the inventory.
    :param variables: its variables, before Ansible renders them.
    :param render: renders one of them.
    :param is_of_task: whether the task is one of this host.
    """

    name: str
    variables: Mapping
    render: Callable[[object], object]
    is_of_task: bool = True

    def is_at(self, base_url: object) -> bool:
        """Return whether this address, or none, means the host's own server. The variables are read only if they have
        credentials."""
        if base_url is None or not any(f"{PREFIX}{name}" in self.variables for name in CREDENTIALS):
            return True
        own = connection_of(self.variables, self.render, ("base_url",)).get("base_url")
        return own is not None and is_same_server(str(base_url), str(own))

    @property
    def address(self) -> str:
        """The address by which Ansible reaches the host."""
        return str(self.render(self.variables.get("ansible_host", self.name)))

    def is_controller(self, connection: str) -> bool:
        """Return whether the controller may ask its server at a loopback address: it is the host, or the inventory plugin
        has asked there.

        :param connection: of a host that does not name one.
        """
        return (
            "vllm_reachable" in self.variables
            or self.render(self.variables.get("ansible_connection", connection)) == "local"
            or is_loopback_host(self.address)
        )


def _require_one_key(options: Mapping, prefix: str = "", advice: str = "give one of them") -> None:
    if options.get("api_key") and options.get("api_key_env"):
        raise refused(f"{prefix}api_key and {prefix}api_key_env are both set", advice)
