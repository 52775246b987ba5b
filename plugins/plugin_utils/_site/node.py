# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node that gets an agent: its servers in the inventory, the paths that the agent writes to, and its declaration."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import is_staged
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.resolution import DECLARATION, settings_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.files import as_yaml, finder
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import value_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.bundling import site_inventory
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.declared import (
    BundledHostAction,
    bundled_host,
    node_of,
    read_carried,
)

# A unit of systemd can name such a path as it is.
_UNIT_PATH = re.compile(r"/[A-Za-z0-9@+,=._/-]*")
_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_HEADER = "# Written by the role sovereign.vllm.agent, which replaces it.\n---\n"


@dataclass(frozen=True)
class _Host:
    """A server of the node: its name, its variables before Ansible renders them, and what renders one of them."""

    name: str
    variables: Mapping
    render: Any


class NodeAction(BundledHostAction):
    argument_spec: ClassVar[dict[str, dict]] = {"settings": {"type": "dict", "required": True}}

    def work(self, given: Mapping, variables: dict) -> dict:
        settings = given["settings"]
        check_settings(settings)
        node = node_of(variables, self._templar.template)
        hosts = [host for host in self._hosts(variables) if node_of(host.variables, host.render) == node]
        names = [host.name for host in hosts]
        playing = [name for name in variables["ansible_play_hosts_all"] if name in names]
        declared = [host for host in hosts if DECLARATION in host.variables]
        found = {
            "changed": False,
            "node": node,
            "hosts": [host.name for host in declared],
            "is_first": playing[:1] == [variables["inventory_hostname"]],
            "write_paths": sorted({path for host in declared for path in _write_paths(host)}),
            "wait": settings.get("wait", settings["interval"] * 2 // 3),
            "inventory": "",
        }
        for host in declared:
            _require_credential(host, settings["credentials"])
        if settings["declaration"] == "inventory" and settings["state"] == "present":
            if not declared:
                raise refused(
                    f"no host of the node {node} has {DECLARATION}, so the agent would have nothing to keep",
                    f"define {DECLARATION}, or set agent_declaration to bundle if bundles bring the declaration",
                )
            sites = [self._declaration(host) for host in declared]
            digests = {site["name"]: self._digests(site) for site in sites}
            found["inventory"] = _HEADER + as_yaml(site_inventory(sites, digests))
        return found

    def _hosts(self, variables: Mapping) -> Iterator[_Host]:
        hostvars = variables["hostvars"]
        for name in hostvars:
            own = {**hostvars.raw_get(name), "hostvars": hostvars}
            yield _Host(str(name), own, self._templar.copy_with_new_env(available_variables=own).template)

    def _declaration(self, host: _Host) -> dict:
        """Return a host as :func:`bundled_host` does it. The store of the node has its artifacts already."""
        found = bundled_host(host.variables, host.render, finder(self), self._loader)
        for adapter in found["variables"][DECLARATION]:
            if adapter.get("remote_src") and not (adapter.get("digest") or adapter.get("checksum")):
                problem = f"{DECLARATION} of {host.name} declares {quoted(adapter['name'])} by a file of the node alone"
                raise refused(problem, "add its digest, so that the agent finds the version in the store")
        return found

    def _digests(self, site: Mapping) -> dict[str, str]:
        return {one["name"]: one["digest"] or read_carried(one, self._loader)[1] for one in site["artifacts"]}


def check_settings(settings: Mapping) -> None:
    """Check the settings of the role, as far as no node is needed for it.

    :raises VllmError: ``invalid_request``, with a message that names the variable.
    """
    _check_times(settings)
    for name in ("directory", "unit_directory"):
        _require_unit_path(f"agent_{name}", settings[name])
    for variable, file in settings["credentials"].items():
        if not _VARIABLE.fullmatch(str(variable)):
            raise refused(f"agent_credentials names {quoted(variable)}", "give names of environment variables")
        _require_unit_path(f"agent_credentials.{variable}", file)
    missing = [name for name in ("wheels", "collection") if not settings.get(name)]
    if missing and settings["state"] == "present":
        raise refused(f"agent_{missing[0]} is not set", "give the path of what was carried, on the controller")


def _check_times(settings: Mapping) -> None:
    for name in ("interval", "keep"):
        if settings[name] < 1:
            raise refused(f"agent_{name} is {settings[name]}", "give 1 or more")
    for name in ("jitter", "wait"):
        if not 0 <= settings.get(name, 0) < settings["interval"]:
            raise refused(
                f"agent_{name} is {settings[name]}",
                f"give 0 or more, and less than agent_interval ({settings['interval']})",
            )


def _require_unit_path(variable: str, path: object) -> None:
    text = str(path)
    if not _UNIT_PATH.fullmatch(text) or posixpath.normpath(text) != text:
        advice = "give an absolute path of letters, digits and '@+,=._-', without a slash at its end"
        raise refused(f"{variable} is {quoted(text)}, which a unit of systemd cannot name as it is", advice)


def _write_paths(host: _Host) -> Iterator[str]:
    settings = settings_of(host.variables, host.render)
    if any(is_staged(adapter) for adapter in settings["adapters"]):
        store = settings["store"].rstrip("/")
        _require_unit_path(f"lora_store of {host.name}", store)
        yield store
    if settings.get("boot_file"):
        directory = os.path.dirname(settings["boot_file"])
        _require_unit_path(f"The directory of lora_boot_file of {host.name}", directory)
        yield directory


def _require_credential(host: _Host, credentials: Mapping) -> None:
    name = value_of("vllm_api_key_env", host.variables, host.render)
    if name and str(name) not in credentials:
        raise VllmError(
            "invalid_request",
            f"{host.name} has vllm_api_key_env {quoted(name)}, and agent_credentials does not name it",
            f"add {name} with the path of the file on the node that holds the key",
        )
