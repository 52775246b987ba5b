# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: vllm
short_description: vLLM servers and the LoRA adapters that they serve
version_added: 1.0.0
description:
  - Asks vLLM servers what they serve and makes each of them a host, or adds what they serve to hosts that other
    inventory sources define.
  - The name of its configuration file ends in C(vllm.yml) or C(vllm.yaml).
  - All endpoints are asked at once, so all dead sites of a fleet together cost one O(timeout).
  - An endpoint that gives no usable answer stays in the inventory, with what was seen of it last. Nothing is concluded
    from its silence.
  - Every host is in the group C(vllm) and in one of C(vllm_reachable) and C(vllm_unreachable). Of two sources that have a
    host of the same name, the last one decides.
  - C(vllm_base_url) is the address of the server.
  - C(vllm_reachable) tells whether it gave a usable answer when it was last asked, and C(vllm_error) why not, with
    C(code) and C(msg); otherwise it is null.
  - C(vllm_base_models) is a list with C(id), C(root), C(max_model_len) and C(aliases), C(vllm_lora_adapters) one with
    C(name), C(root) and C(parent), and C(vllm_version) the version of the server, or null where a proxy hides it.
  - C(vllm_observed_at) is the time in UTC when this was seen, and C(vllm_stale) tells whether the server has been asked
    since without a usable answer. Of a server that was never seen, the lists are empty, version and time null.
  - What servers say is data, never a template, whatever they call their models.
extends_documentation_fragment:
  - sovereign.vllm._connection.inventory
  - sovereign.vllm._connection.shared
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description: Marks the file as one for this plugin.
    type: str
    required: true
    choices: [sovereign.vllm.vllm]
  endpoints:
    description:
      - The servers, each a URL or a dictionary with C(base_url) and, where wanted, C(name), C(api_key_env) and
        C(vars).
      - C(name) is the name of the host. Without it, that is the host in the URL, so several servers of one node need
        names.
      - C(api_key_env) names the environment variable with the key of this server, for all modules as well, which have
        the name from the host variable C(vllm_api_key_env). If it is not set, the server is not asked.
      - C(vars) are further variables of the host.
      - Names and URLs take ranges, as in any inventory, such as C([001:200]). A range in the URL goes in step with the
        same range in the name, or else with the one at the same place.
      - No name and no server may occur twice.
    type: list
    elements: raw
    default: []
  from_hosts:
    description:
      - Asks hosts that earlier inventory sources define, except those that O(endpoints) names.
      - A host for which no URL can be made is reported as one that could not be reached, and the rest go on.
    type: dict
    suboptions:
      pattern:
        description: Pattern of hosts, as for the keyword C(hosts) of a play.
        type: str
        required: true
      base_url:
        description: Template that is evaluated with the variables of the host.
        type: str
        required: true
  workers:
    description:
      - How many endpoints are asked at the same time at most, each with two threads and up to two open files. Fewer
        where the limit of open files demands it.
      - A fleet with more dead sites than this costs more than one O(timeout).
    type: int
    default: 1000
  cache:
    description:
      - Whether to leave alone the endpoints that were asked less than O(cache_timeout) seconds ago.
      - What each endpoint served when it was last seen is kept without end, also by C(--flush-cache), which asks all.
  cache_timeout:
    description: Seconds. V(1) asks in every run. V(0) is any age, as for every cache of Ansible, so that an endpoint is
      asked once and never again, also when it goes away.
  cache_plugin:
    description: Where this is kept, by default until Ansible ends; use for example V(ansible.builtin.jsonfile).
notes:
  - Adapters that an interrupted swap left under a temporary name are not shown.
seealso:
  - plugin: sovereign.vllm.lora_drift
    plugin_type: filter
    description: Compare what the inventory saw with what is declared.
  - module: sovereign.vllm.vllm_base_model_info
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
# 20-fleet.vllm.yml, in a directory with 10-hosts.yml, which is read first
plugin: sovereign.vllm.vllm
endpoints:
  # 199 sites that are named by the host in the URL
  - http://edge[001:199]:8000
  # one with a key of its own
  - name: edge200
    base_url: https://vllm.edge200.example:8443
    api_key_env: VLLM_API_KEY_EDGE200
    vars:
      site: harbour
  # eight servers on each of twenty nodes
  - name: gpu[01:20]-[0:7]
    base_url: http://gpu[01:20]:800[0:7]

# and those on hosts that are managed over SSH as well
from_hosts:
  pattern: inference:!retired
  base_url: http://{{ ansible_host | default(inventory_hostname) }}:{{ vllm_port | default(8000) }}

timeout: 5

# ask in every run, and keep what was seen last of a site that is offline
cache: true
cache_timeout: 1
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/ansible-vllm

compose:
  vllm_adapter_names: vllm_lora_adapters | map(attribute='name') | sort
keyed_groups:
  - key: vllm_base_models | map(attribute='id') | list
    prefix: serves
groups:
  outdated: vllm_version is not none and vllm_version is version('0.12', '<')
"""

from collections.abc import Mapping

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.unsafe_proxy import wrap_var
from ansible.utils.vars import combine_vars
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, invalid_option
from ansible_collections.sovereign.vllm.plugins.module_utils._http.transport import REQUESTS_IMPORT_ERROR
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.endpoint import CONNECTION_OPTIONS
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host_variables import look_at, recall, remember
from ansible_collections.sovereign.vllm.plugins.plugin_utils._listed_sites import listed_sites
from ansible_collections.sovereign.vllm.plugins.plugin_utils._sites import (
    Connection,
    HostsSoFar,
    host_sites,
    problems_of,
)

_GROUPS = ("vllm", "vllm_reachable", "vllm_unreachable")


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    NAME = "sovereign.vllm.vllm"

    def verify_file(self, path):
        return super().verify_file(path) and path.endswith(("vllm.yml", "vllm.yaml"))

    def set_options(self, task_keys=None, var_options=None, direct=None):
        """Refuse what Ansible would not: it ignores unknown options, and repeats a mistyped value in its error."""
        for key, value in (direct or {}).items():
            if key not in self.option_definitions:
                raise AnsibleParserError(f"Option {key} does not exist; see ansible-doc -t inventory {self.NAME}.")
            if key == "api_key" and isinstance(value, (list, Mapping)):
                raise AnsibleParserError("Option api_key is not a string; correct it.")
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)
        # A cache plugin forgets what is older than this, but the last state of a dead site is wanted all the same.
        self._cache_timeout = self.get_option("cache_timeout")
        self.set_option("cache_timeout", 0)

    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path, cache)
        if REQUESTS_IMPORT_ERROR:
            raise AnsibleParserError(missing_required_lib("requests"))
        self._read_config_data(path)
        self._hosts = HostsSoFar(inventory, loader, path)
        try:
            sites = self._sites()
        except VllmError as error:
            raise AnsibleParserError(error.message) from None
        for problem in problems_of(sites):
            self.display.warning(problem)
        sights = self._look_at(sites, path, self._cache_timeout if cache else None)
        if self.get_option("cache"):
            remember(self._cache, self.get_cache_key(path), sights)
        self._populate(sites, sights)

    def _sites(self):
        if self.get_option("workers") < 1:
            raise invalid_option("workers", "is less than 1", "give at least 1")
        connection = Connection({name: self._templated(name) for name in CONNECTION_OPTIONS if name != "base_url"})
        sites = listed_sites(self.get_option("endpoints"), connection)
        from_hosts = self.get_option("from_hosts")
        if from_hosts is not None:
            taken = {site.name for site in sites}
            found = host_sites(from_hosts, self._hosts, self._render, connection)
            sites += [site for site in found if site.name not in taken]
        elif not sites:
            raise invalid_option("endpoints", "names no server, and there is no from_hosts", "give one of them")
        return sites

    def _look_at(self, sites, path, max_age):
        try:
            return look_at(sites, self._remembered(path), max_age, self.get_option("workers"))
        except RuntimeError as error:
            # What Python says when the system allows no more threads.
            raise AnsibleParserError(f"Could not ask the servers: {error}; lower option workers.") from None

    def _templated(self, option):
        value = self.get_option(option)
        try:
            return self._render(value, {}) if isinstance(value, str) else value
        except AnsibleError as error:
            raise invalid_option(option, f"is a template that fails ({error})", "correct it") from None

    def _render(self, template, variables):
        self.templar.available_variables = combine_vars(variables, self._vars)
        return self.templar.template(template)

    def _remembered(self, path):
        """Return what the cache holds, whatever its age. A cache that cannot be read is as good as none."""
        if not self.get_option("cache"):
            return {}
        try:
            return recall(self._cache, self.get_cache_key(path))
        except ValueError as error:
            self.display.warning(f"The cache of {path} is ignored: {error}.")
            return {}

    def _populate(self, sites, sights):
        for group in _GROUPS:
            self.inventory.add_group(group)
        for site in sites:
            variables = sights[site.name].variables
            for problem in self._hosts.put_into_groups(site.name, variables):
                self.display.warning(problem)
            for name, value in {**site.variables, **wrap_var(variables)}.items():
                self.inventory.set_variable(site.name, name, value)
            self._construct(site.name)

    def _construct(self, name):
        compose, groups, keyed_groups = map(self.get_option, ("compose", "groups", "keyed_groups"))
        if not (compose or groups or keyed_groups):
            return
        strict = self.get_option("strict")
        host = self.inventory.get_host(name)
        self._set_composite_vars(compose, self._hosts.variables(host), name, strict=strict)
        variables = self._hosts.variables(host)
        self._add_host_to_composed_groups(groups, variables, name, strict=strict, fetch_hostvars=False)
        self._add_host_to_keyed_groups(keyed_groups, variables, name, strict=strict, fetch_hostvars=False)
