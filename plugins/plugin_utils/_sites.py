# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``from_hosts`` of the inventory: hosts that earlier inventory sources define."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ansible.inventory.helpers import get_group_vars
from ansible.inventory.manager import InventoryManager
from ansible.utils.vars import combine_vars
from ansible.vars.plugins import get_vars_from_inventory_sources
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, invalid_option, printable, quoted
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.endpoint import Endpoint, endpoint_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._settings import NAMED_BY, key_in

_SHOWN = 5


@dataclass(frozen=True)
class Site:
    """One host. What cannot be asked has a ``problem`` in place of an endpoint.

    :param base_url: None where none could be made.
    :param variables: what the inventory file sets for it besides.
    """

    name: str
    base_url: str | None
    endpoint: Endpoint | None = None
    problem: VllmError | None = None
    variables: Mapping = field(default_factory=dict)


class Connection:
    """The connection options that all endpoints share.

    :raises VllmError: ``invalid_request`` when one cannot be used.
    """

    def __init__(self, options: Mapping) -> None:
        self._options = options
        self._endpoint("http://localhost", options.get("api_key"))

    def site(self, name: str, base_url: str, api_key_env: str | None = None, variables: Mapping | None = None) -> Site:
        """Return the site. One whose own key is missing or unusable is not asked: other keys are not its business.

        :raises VllmError: ``invalid_request`` when the URL cannot be used.
        """
        endpoint = self._endpoint(base_url, None)
        problem = None
        try:
            endpoint = self._endpoint(base_url, key_in(api_key_env) if api_key_env else self._options.get("api_key"))
        except VllmError as error:
            problem = error
        named = {NAMED_BY: api_key_env} if api_key_env else {}
        return Site(name, endpoint.base_url, None if problem else endpoint, problem, {**(variables or {}), **named})

    def _endpoint(self, base_url: str, api_key: str | None) -> Endpoint:
        return endpoint_of({**self._options, "base_url": base_url, "api_key": api_key})


def check_keys(option: str, entry: object, kinds: Mapping[str, type], required: Iterable[str]) -> None:
    """Hold a dictionary of the inventory file to the keys that it may and must have.

    :raises VllmError: ``invalid_request`` for the first mistake.
    """
    keys = ", ".join(kinds)
    if not isinstance(entry, Mapping):
        raise invalid_option(option, "is not a dictionary", f"write one with {keys}")
    for key, value in entry.items():
        if key not in kinds:
            raise invalid_option(f"{option}.{key}", "does not exist", f"there are {keys}")
        if not isinstance(value, kinds[key]):
            kind, advice = (
                ("string", "put it between quotes") if kinds[key] is str else ("dictionary", "write key: value")
            )
            raise invalid_option(f"{option}.{key}", f"is not a {kind}", advice)
    for key in required:
        if key not in entry:
            raise invalid_option(f"{option}.{key}", "is missing", "give it a value")


def shortened(names: Iterable[str]) -> str:
    """Return the first few of the names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(quoted, names[:_SHOWN])) + more


def problems_of(sites: Iterable[Site]) -> list[str]:
    """Return one line for each problem, with the hosts that have it."""
    names = defaultdict(list)
    for site in sites:
        if site.problem:
            names[site.problem.message].append(site.name)
    return [f"{message} (hosts: {shortened(hosts)})" for message, hosts in names.items()]


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
