# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts that earlier inventory sources define, and the variables that Ansible has for a host before it is asked."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING

from ansible import constants
from ansible.inventory.helpers import get_group_vars, sort_groups
from ansible.inventory.host import Host
from ansible.inventory.manager import InventoryManager
from ansible.plugins.loader import vars_loader
from ansible.utils.vars import combine_vars
from ansible.vars.plugins import get_vars_from_inventory_sources
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import printable, quoted

if TYPE_CHECKING:
    from ansible.inventory.data import InventoryData
    from ansible.inventory.group import Group
    from ansible.parsing.dataloader import DataLoader

_STATES = ("vllm_reachable", "vllm_unreachable")
_FILE_PLUGINS = frozenset(("host_group_vars", "ansible.builtin.host_group_vars"))


@dataclass(frozen=True)
class HostVariables:
    """The variables that Ansible has for a host, in layers. A layer wins over those before it.

    :param above: those that win over variables in the inventory file.
    """

    below: Sequence[Mapping]
    above: Sequence[Mapping]

    def has(self, names: Collection[str]) -> bool:
        return any(name in layer for layer in (*self.below, *self.above) for name in names)

    def has_above(self, names: Collection[str]) -> bool:
        return any(name in layer for layer in self.above for name in names)

    @cached_property
    def combined(self) -> dict:
        return reduce(combine_vars, (*self.below, *self.above), {})


class HostsSoFar:
    """The hosts of the inventory sources that Ansible has read so far.

    :param extra: variables of the command line, which win over all others.
    """

    def __init__(self, inventory: InventoryData, loader: DataLoader, path: str, extra: Mapping) -> None:
        self._inventory = inventory
        self._loader = loader
        self._sources = [*inventory.processed_sources, path]
        self._extra = extra
        self._of_groups: dict[frozenset[str], Mapping] = {}

    def matching(self, pattern: str) -> list[Host]:
        """Return the hosts that a play with this pattern would have."""
        manager = InventoryManager(self._loader, parse=False)
        manager._inventory = self._inventory
        # Only this puts hosts into the groups "all" and "ungrouped". It also resets the current source.
        source = self._inventory.current_source
        self._inventory.reconcile_inventory()
        self._inventory.current_source = source
        return [host for host in manager.get_hosts(pattern) if host.name in self._inventory.hosts]

    def own(self, name: str) -> Mapping:
        """Return the variables that earlier inventory sources give this host, but for those that ask servers."""
        host = self._inventory.hosts.get(name)
        return host.vars if host and "vllm_reachable" not in host.vars else {}

    def known(self, name: str, given: Mapping) -> HostVariables:
        """Return the variables that an endpoint will have, but for those of groups that depend on the answer.

        :param given: those that the inventory file gives to the host.
        :raises VllmError: ``invalid_request`` if a file beside the inventory cannot be read.
        """
        vllm = self._inventory.groups["vllm"]
        host = self._inventory.hosts.get(name)
        groups = {*(host.get_groups() if host else ()), vllm, *vllm.get_ancestors()}
        try:
            below = (self._group_variables(groups), host.get_vars() if host else {"inventory_hostname": name}, given)
            return HostVariables(below, (self._host_files(name), self._extra))
        except Exception as error:
            # A plugin for variables can raise anything.
            why = f"the variables of the host cannot be read ({printable(error).rstrip('.')})"
            raise refused(why, "correct the files beside the inventory") from None

    def variables(self, host: Host) -> dict:
        """Return the variables of the host and its groups, including those in group_vars and host_vars."""
        found = combine_vars(self._group_variables(set(host.get_groups())), host.get_vars())
        return combine_vars(found, self._host_files(host.name))

    def _group_variables(self, groups: set[Group]) -> Mapping:
        """Return the variables of these groups and of the group all. Read them once, since most hosts are in the same groups."""
        everyone = self._inventory.groups["all"]
        names = frozenset(group.name for group in groups)
        if names not in self._of_groups:
            others = sort_groups(groups - {everyone})
            files = combine_vars(self._from_files([everyone]), self._from_files(others))
            self._of_groups[names] = combine_vars(get_group_vars([everyone, *others]), files)
        return self._of_groups[names]

    def _host_files(self, name: str) -> Mapping:
        if not self._has_plugins and name not in self._names_with_files and os.sep not in name:
            return {}
        return self._from_files([self._inventory.hosts.get(name) or Host(name)])

    @cached_property
    def _has_plugins(self) -> bool:
        """Whether other plugins than Ansible's own give variables."""
        plugins = {getattr(plugin, "ansible_name", "") for plugin in vars_loader.all(class_only=True)}
        return not {*plugins, *constants.config.get_config_value("VARIABLE_PLUGINS_ENABLED")} <= _FILE_PLUGINS

    @cached_property
    def _names_with_files(self) -> set[str]:
        """The names of hosts that have files in a directory host_vars. Ansible would look for the files of each host."""
        names: set[str] = set()
        for source in self._sources:
            directory = source if os.path.isdir(source) else os.path.dirname(source)
            with contextlib.suppress(OSError):
                for file in os.listdir(os.path.join(directory, "host_vars")):
                    names.update((file, os.path.splitext(file)[0]))
        return names

    def _from_files(self, entities: list) -> dict:
        return get_vars_from_inventory_sources(self._loader, self._sources, entities, "all")

    def put_into_groups(self, name: str, variables: Mapping) -> list[str]:
        """Put an endpoint into its groups. If an earlier source put it into other groups, this source decides.

        :param variables: the variables that the inventory sets for the endpoint.
        :return: warnings about an earlier source.
        """
        earlier = self._inventory.get_host(name)
        known = dict(earlier.vars) if earlier else {}
        state, other = _STATES if variables["vllm_reachable"] else _STATES[::-1]
        for group in ("vllm", state):
            self._inventory.add_host(name, group=group)
        self._inventory.groups[other].remove_host(self._inventory.hosts[name])
        urls = known.get("vllm_base_url"), variables["vllm_base_url"]
        if "vllm_reachable" not in known or urls[0] == urls[1]:
            return []
        return [
            f"Host {quoted(name)} is in two inventory sources. {quoted(urls[1])} replaces {quoted(urls[0])}, which is not "
            "audited; give the two servers different names."
        ]
