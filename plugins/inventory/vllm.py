# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: vllm
short_description: vLLM servers and the LoRA adapters that they serve
version_added: 1.0.0
description:
  - Asks vLLM servers for their models. Makes each server a host, or adds the models to hosts that other inventory sources
    define.
  - The name of the configuration file ends in C(vllm.yml) or C(vllm.yaml).
  - The plugin asks all endpoints at the same time, so that all dead sites of a fleet together cost one O(timeout).
  - An endpoint that gives no usable answer stays in the inventory with its last known state.
  - Every server is asked with the host's own variables C(vllm_base_url), C(vllm_api_key) or C(vllm_api_key_env), C(vllm_ca_path),
    C(vllm_client_cert), C(vllm_client_key), C(vllm_validate_certs) and C(vllm_use_proxy), as in plays. They can be in C(group_vars)
    and C(host_vars) beside the inventory, in a vault, and templates. They win over the options of the plugin. Patience, such as
    O(timeout), comes from the options only.
  - The variables of a group count if the host is in the group before it is asked. These are C(all), C(vllm) and the groups of
    earlier inventory sources.
  - An empty C(vllm_api_key) means that the server has no key. If a variable of a host cannot be resolved, or the environment has no
    such key, the host is not asked, and C(vllm_error) names the problem. No other key is sent.
  - Every host is in the group C(vllm) and in either C(vllm_reachable) or C(vllm_unreachable). If two sources have a host of the
    same name, the last source decides.
  - C(vllm_base_url) is the address of the server. C(vllm_ask_from) is the value of O(ask_from).
  - C(vllm_reachable) is true if the server gave a usable answer to the last request. C(vllm_error) is the error, with C(code)
    and C(msg), or null.
  - C(vllm_base_models) is a list with C(id), C(root), C(max_model_len) and C(aliases). C(vllm_served_adapters) is a list with
    C(name), C(root) and C(parent). C(vllm_server_version) is the version of the server, or null if a proxy hides the version.
  - C(vllm_observed_at) is the time of this state, in UTC. C(vllm_stale) is true if the server gave no usable answer to a later
    request. For a server that never answered, the lists are empty, and version and time are null.
  - Names and paths from servers are data. Ansible never evaluates them as templates.
extends_documentation_fragment:
  - sovereign.vllm._connection.inventory
  - sovereign.vllm._connection.shared
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description: Name of this plugin.
    type: str
    required: true
    choices: [sovereign.vllm.vllm]
  endpoints:
    description:
      - The servers. Each is a URL, or a dictionary with C(base_url) and optionally C(name), C(api_key_env) and C(vars).
      - C(name) is the name of the host, by default the host in the URL. If one node has several servers, each needs a name.
      - C(api_key_env) names the environment variable with the key of this server. Modules use the same variable, by the host
        variable C(vllm_api_key_env). If the environment variable is not set, the server is not asked.
      - C(vars) are further variables of the host.
      - If a file in C(host_vars) sets C(vllm_base_url) for the host, that address is asked, since plays use it too.
      - C(base_url), C(name) and C(api_key_env) take ranges, as in any inventory, such as C([001:200]). A range in C(base_url) or
        C(api_key_env) advances with the same range in C(name), otherwise with the range at the same place. Without C(name), a
        range in C(api_key_env) advances with C(base_url).
      - No name and no server may occur twice.
    type: list
    elements: raw
    default: []
  from_hosts:
    description:
      - Asks hosts that earlier inventory sources define, except those that O(endpoints) names.
      - If the template makes no URL for a host, the plugin reports the host as unreachable, and continues with the others.
    type: dict
    suboptions:
      pattern:
        description: Pattern of hosts, as for the keyword C(hosts) of a play.
        type: str
        required: true
      base_url:
        description:
          - Template of the URL. It can use the variables of the host.
          - If not set, the host's own variable C(vllm_base_url) is used. A file in C(host_vars) that sets this variable wins over
            the template.
        type: str
  ask_from:
    description:
      - Value of the host variable C(vllm_ask_from), by which modules choose the machine that asks the server.
      - V(controller) is right for servers that the controller reaches, and the inventory asks from there.
      - V(host) has each host ask its own server.
      - This option exists because the variables that an inventory sets win over C(group_vars). The variable C(vllm_ask_from) in
        C(host_vars), in C(vars) of an endpoint or in another inventory source of the host wins over this option.
    type: str
    choices: [controller, host]
    default: controller
  workers:
    description:
      - Largest number of endpoints that are asked at the same time, each with a thread, or two if O(retries) is not 0, and up to
        two open files. The limit of open files can lower this number.
      - A fleet with more dead sites than this costs more than one O(timeout).
    type: int
    default: 1000
  cache:
    description:
      - Whether to skip endpoints that were asked less than O(cache_timeout) seconds ago.
      - The last known state of an endpoint never expires. C(--flush-cache) asks all endpoints again and keeps that state.
  cache_timeout:
    description: Age in seconds. V(1) asks in every run. V(0) is any age, as for every cache of Ansible. An endpoint is then asked
      once and never again, even if it becomes unreachable.
  cache_plugin:
    description: Plugin that stores the state, for example V(ansible.builtin.jsonfile). The default forgets the state at the end of
      the run.
notes:
  - The plugin makes no variable of a key. C(ansible-inventory --list) prints all variables, also those in a vaulted file of
    C(host_vars) or C(group_vars). For a fleet, and for an inventory source of AWX, set C(vllm_api_key_env) instead of C(vllm_api_key),
    so that the inventory holds only the names of environment variables.
  - The inventory does not list adapters that an interrupted run left under a temporary name.
seealso:
  - plugin: sovereign.vllm.lora_drift
    plugin_type: filter
    description: Compare the state in the inventory with the declaration.
  - module: sovereign.vllm.vllm_base_model_info
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
# 20-fleet.vllm.yml, in a directory with 10-hosts.yml, which Ansible reads first
plugin: sovereign.vllm.vllm
endpoints:
  # 199 sites, named by the host in the URL
  - http://edge[001:199]:8000
  # one site with another address
  - name: edge200
    base_url: https://vllm.edge200.example:8443
    vars:
      site: harbour
  # 50 sites, each with its own key in the environment
  - base_url: https://shop[01:50].example:8443
    api_key_env: VLLM_API_KEY_SHOP[01:50]
  # eight servers on each of twenty nodes
  - name: gpu[01:20]-[0:7]
    base_url: http://gpu[01:20]:800[0:7]

# servers on hosts that Ansible manages over SSH
from_hosts:
  pattern: inference:!retired
  base_url: http://{{ ansible_host | default(inventory_hostname) }}:{{ vllm_port | default(8000) }}

timeout: 5

# ask in every run, and keep the last known state of sites that are offline
cache: true
cache_timeout: 1
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/ansible-vllm

compose:
  vllm_adapter_names: vllm_served_adapters | map(attribute='name') | sort
keyed_groups:
  - key: vllm_base_models | map(attribute='id') | list
    prefix: serves
groups:
  outdated: vllm_server_version is not none and vllm_server_version is version('0.12', '<')
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.vars import combine_vars
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, invalid_option
from ansible_collections.sovereign.vllm.plugins.module_utils._http.transport import REQUESTS_IMPORT_ERROR
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.endpoint import CONNECTION_OPTIONS
from ansible_collections.sovereign.vllm.plugins.plugin_utils._inventory.host_variables import (
    CachedState,
    as_data,
    recall,
    refresh,
    remember,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._inventory.hosts_so_far import HostsSoFar
from ansible_collections.sovereign.vllm.plugins.plugin_utils._inventory.listed_sites import listed_sites
from ansible_collections.sovereign.vllm.plugins.plugin_utils._inventory.sites import (
    Connection,
    Site,
    host_sites,
    problems_of,
)

if TYPE_CHECKING:
    from ansible.inventory.data import InventoryData
    from ansible.inventory.host import Host
    from ansible.parsing.dataloader import DataLoader

_GROUPS = ("vllm", "vllm_reachable", "vllm_unreachable")


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    NAME = "sovereign.vllm.vllm"

    def verify_file(self, path: str) -> bool:
        return super().verify_file(path) and path.endswith(("vllm.yml", "vllm.yaml"))

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Mapping | None = None) -> None:
        """Refuse unknown options, which Ansible ignores, and a key that is no string, which Ansible's error would show."""
        for key, value in (direct or {}).items():
            if key not in self.option_definitions:
                raise AnsibleParserError(f"Option {key} does not exist; see ansible-doc -t inventory {self.NAME}.")
            if key == "api_key" and isinstance(value, (list, Mapping)):
                raise AnsibleParserError("Option api_key is not a string; correct it.")
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)
        # A cache plugin forgets older entries. The inventory still needs the last state of a dead site.
        self._cache_timeout = self.get_option("cache_timeout")
        self.set_option("cache_timeout", 0)

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        if REQUESTS_IMPORT_ERROR:
            raise AnsibleParserError(missing_required_lib("requests"))
        self._read_config_data(path)
        self._hosts = HostsSoFar(inventory, loader, path, self._vars or {})
        try:
            sites = self._sites(inventory)
        except VllmError as error:
            raise AnsibleParserError(error.message) from None
        for problem in problems_of(sites):
            self.display.warning(problem)
        states = self._refresh(sites, path, self._cache_timeout if cache else None)
        if self.get_option("cache"):
            remember(self._cache, self.get_cache_key(path), states)
        self._populate(inventory, sites, states)

    def _sites(self, inventory: InventoryData) -> list[Site]:
        if self.get_option("workers") < 1:
            raise invalid_option("workers", "is less than 1", "give at least 1")
        options = {name: self._templated(name) for name in CONNECTION_OPTIONS if name != "base_url"}
        connection = Connection(options, self.get_option("ask_from"), self._hosts, self._render)
        listed = listed_sites(self.get_option("endpoints"))
        from_hosts = self.get_option("from_hosts")
        if from_hosts is None and not listed:
            raise invalid_option("endpoints", "names no server, and there is no from_hosts", "give one of them")
        for group in _GROUPS:
            inventory.add_group(group)
        sites = [connection.complete(site) for site in listed]
        if from_hosts is not None:
            taken = {site.name for site in sites}
            found = host_sites(from_hosts, self._hosts)
            sites += [connection.complete(site, template) for site, template in found if site.name not in taken]
        return sites

    def _refresh(self, sites: list[Site], path: str, max_age: float | None) -> dict[str, CachedState]:
        try:
            return refresh(sites, self._remembered(path), max_age, self.get_option("workers"))
        except RuntimeError as error:
            # The system allows no more threads.
            raise AnsibleParserError(f"Could not ask the servers: {error}; lower option workers.") from None

    def _templated(self, option: str) -> object:
        value = self.get_option(option)
        try:
            return self._render(value, {}) if isinstance(value, str) else value
        except AnsibleError as error:
            raise invalid_option(option, f"is a template that fails ({error})", "correct it") from None

    def _render(self, template: str, variables: Mapping) -> Any:
        self.templar.available_variables = combine_vars(variables, self._vars)
        return self.templar.template(template)

    def _remembered(self, path: str) -> dict[str, CachedState]:
        """Return the states in the cache, of any age. A cache that cannot be read counts as empty, with a warning."""
        if not self.get_option("cache"):
            return {}
        try:
            return recall(self._cache, self.get_cache_key(path))
        except ValueError as error:
            self.display.warning(f"The cache of {path} is ignored: {error}.")
            return {}

    def _populate(self, inventory: InventoryData, sites: list[Site], states: Mapping[str, CachedState]) -> None:
        for site in sites:
            variables = states[site.name].variables
            for problem in self._hosts.put_into_groups(site.name, variables):
                self.display.warning(problem)
            for name, value in {**site.variables, **as_data(variables)}.items():
                inventory.set_variable(site.name, name, value)
            self._construct(inventory.hosts[site.name])

    def _construct(self, host: Host) -> None:
        compose, groups, keyed_groups = map(self.get_option, ("compose", "groups", "keyed_groups"))
        if not (compose or groups or keyed_groups):
            return
        strict = self.get_option("strict")
        self._set_composite_vars(compose, self._hosts.variables(host), host.name, strict=strict)
        variables = self._hosts.variables(host)
        self._add_host_to_composed_groups(groups, variables, host.name, strict=strict, fetch_hostvars=False)
        self._add_host_to_keyed_groups(keyed_groups, variables, host.name, strict=strict, fetch_hostvars=False)
