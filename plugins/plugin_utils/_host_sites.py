# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``from_hosts`` of the inventory: hosts that earlier inventory sources define."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ansible.inventory.helpers import get_group_vars
from ansible.inventory.manager import InventoryManager
from ansible.utils.vars import combine_vars
from ansible.vars.plugins import get_vars_from_inventory_sources
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, invalid_option, printable, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._sites import Connection, Site, check_keys

_STATES = ("vllm_reachable", "vllm_unreachable")


def host_sites(option: Mapping, hosts: HostsSoFar, render: Callable, connection: Connection) -> list[Site]:
    """Return one site for each host that matches the pattern.

    :param render: gets the template and the variables of a host, returns the text.
    :raises VllmError: ``invalid_request`` when the option is not as it must be. What fails for one host is the problem
        of its site.
    """
    check_keys("from_hosts", option, {"pattern": str, "base_url": str}, required=["pattern", "base_url"])
    sites = []
    for host in hosts.matching(option["pattern"]):
        try:
            base_url = render(option["base_url"], hosts.variables(host))
            sites.append(connection.site(host.name, base_url))
        except VllmError as problem:
            sites.append(Site(host.name, None, problem=problem))
        except Exception as error:
            # A template can raise anything.
            problem = f"makes no URL for this host ({printable(error)})"
            sites.append(
                Site(host.name, None, problem=invalid_option("from_hosts.base_url", problem, "define what it uses"))
            )
    return sites


class HostsSoFar:
    """The hosts of the sources that have been read so far."""

    def __init__(self, inventory, loader, path: str) -> None:
        self._inventory = inventory
        self._loader = loader
        self._sources = [*inventory.processed_sources, path]

    def matching(self, pattern: str) -> list:
        """Return the hosts that a play with this pattern would have."""
        manager = InventoryManager(self._loader, parse=False)
        manager._inventory = self._inventory
        # Only this puts hosts into the groups "all" and "ungrouped". It forgets which source is being read.
        source = self._inventory.current_source
        self._inventory.reconcile_inventory()
        self._inventory.current_source = source
        return [host for host in manager.get_hosts(pattern) if host.name in self._inventory.hosts]

    def variables(self, host) -> dict:
        """Return the variables of the host and its groups, those in group_vars and host_vars included."""
        groups = host.get_groups()
        found = combine_vars(get_group_vars(groups), self._from_files(groups))
        return combine_vars(combine_vars(found, host.get_vars()), self._from_files([host]))

    def _from_files(self, entities: list) -> dict:
        return get_vars_from_inventory_sources(self._loader, self._sources, entities, "all")

    def put_into_groups(self, name: str, variables: Mapping) -> list[str]:
        """Put an endpoint into its groups. An earlier source may have put it into others; this one has the last word.

        :param variables: what the inventory tells of the endpoint.
        :return: what a user has to know of an earlier source.
        """
        earlier = self._inventory.get_host(name)
        known = dict(earlier.vars) if earlier else {}
        state, other = _STATES if variables["vllm_reachable"] else _STATES[::-1]
        for group in ("vllm", state):
            self._inventory.add_host(name, group=group)
        self._inventory.groups[other].remove_host(self._inventory.get_host(name))
        urls = known.get("vllm_base_url"), variables["vllm_base_url"]
        if "vllm_reachable" not in known or urls[0] == urls[1]:
            return []
        return [
            f"Host {quoted(name)} is in two inventory sources. {quoted(urls[1])} replaces {quoted(urls[0])}, which is not "
            "audited; give the two servers different names."
        ]
