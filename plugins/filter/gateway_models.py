# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: gateway_models
short_description: Make the list of models with which LiteLLM serves declared names
version_added: 1.0.0
description:
  - Users ask a gateway for a declared name, such as C(sql). The servers may serve it under another name, such as C(sql-0123abcd)
    with C(lora_versioned_names) of the role P(sovereign.vllm.lora#role). This filter writes the list that translates the names.
  - A name that several hosts serve is in the list once for each host. LiteLLM then spreads its requests.
  - The list holds no key, only the names of environment variables that LiteLLM reads when it starts.
positional: hostvars
options:
  _input:
    description:
      - For each host, its declared names with the names under which they are served, as in the statistic C(lora_served_names) of the role
        P(sovereign.vllm.lora#role).
      - Instead of a served name, a mapping of served names with their weights spreads requests over several versions on one host.
    type: dict
    required: true
  hostvars:
    description:
      - The variable C(hostvars). The filter reads C(vllm_base_url) and C(vllm_api_key_env) of the hosts in the input.
    type: dict
    required: true
  base_urls:
    description: Addresses, by host, for hosts that the gateway reaches by another address than C(vllm_base_url).
    type: dict
    default: {}
  api_key_env:
    description: Name of the environment variable of the gateway that holds the key, for all hosts or by host. By default
      C(vllm_api_key_env) of the host. Behind the role P(sovereign.vllm.guard#role) a user key is enough.
    type: raw
  weights:
    description: Weights, by host, such as V({edge01:1}) to give a canary a small share. A host without a weight has the weight V(1).
      If no weight is given at all, the list has none.
    type: dict
    default: {}
  base_models:
    description: Names of base models that the gateway serves as well, by host.
    type: dict
    default: {}
  provider:
    description: LiteLLM's name for the kind of server.
    type: str
    default: hosted_vllm
seealso:
  - plugin: sovereign.vllm.lora
    plugin_type: role
  - plugin: sovereign.vllm.guard
    plugin_type: role
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Write the configuration of LiteLLM
  ansible.builtin.copy:
    dest: /etc/litellm/config.yml
    content: "{{ {'model_list': served_names | sovereign.vllm.gateway_models(hostvars, api_key_env='VLLM_USER_KEY')}
      | to_nice_yaml }}"
    mode: "0644"
  vars:
    served_names:
      edge01: {sql: sql-0123abcd}
      edge02: {sql: sql-4567cdef}

- name: Give a new version a tenth of the requests
  ansible.builtin.set_fact:
    models: "{{ {'edge01': {'sql': {'sql-4567cdef': 1, 'sql-0123abcd': 9}}} | sovereign.vllm.gateway_models(hostvars) }}"
"""

RETURN = r"""
_value:
  description: The value of C(model_list) in the configuration of LiteLLM.
  type: list
  elements: dict
  sample:
    - model_name: sql
      litellm_params:
        model: hosted_vllm/sql-0123abcd
        api_base: https://edge01:8443/v1
        api_key: os.environ/VLLM_USER_KEY
        weight: 9
      model_info:
        id: edge01/sql/sql-0123abcd
"""

import re
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused, typed
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, quoted
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.endpoint import endpoint_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# LiteLLM reads such text as the name of a variable.
_OF_THE_ENVIRONMENT = "os.environ/"


class FilterModule:
    def filters(self) -> dict:
        return {"gateway_models": gateway_models}


def gateway_models(
    served_names: object,
    hostvars: Mapping,
    base_urls: object = None,
    api_key_env: object = None,
    weights: object = None,
    base_models: object = None,
    provider: str = "hosted_vllm",
) -> list[dict]:
    """Return LiteLLM's ``model_list``, sorted by name and host."""
    try:
        return _models(
            _by_host("the input", served_names),
            hostvars,
            _by_host("base_urls", base_urls),
            plain(api_key_env),
            {host: _weight(f"weight of {host}", one) for host, one in _by_host("weights", weights).items()},
            _by_host("base_models", base_models),
            provider,
        )
    except VllmError as error:
        raise AnsibleFilterError(f"sovereign.vllm.gateway_models: {error.message}") from None


def _models(
    served: Mapping,
    hostvars: Mapping,
    urls: Mapping,
    keys: object,
    weights: Mapping,
    bases: Mapping,
    provider: str,
) -> list[dict]:
    unknown = sorted({*weights, *urls, *(keys if isinstance(keys, Mapping) else ())} - {*served, *bases})
    if unknown:
        raise refused(f"{unknown[0]} has a weight, an address or a key, and no names", "correct the name of the host")
    models = []
    places: dict[str, str] = {}
    for host in sorted({*served, *bases}):
        is_known = host in hostvars
        if not is_known and host not in urls:
            raise refused(f"{host} is not in the inventory", "remove it from the input, or give its base_urls")
        variables = hostvars[host] if is_known else {}
        where = {"api_base": _api_base(host, variables, urls, places), **_api_key(host, variables, keys)}
        names = _by_host(f"the names of {host}", served.get(host))
        for name in _listed(host, bases.get(host)):
            if name in names:
                raise refused(f"{host} has {quoted(name)} both as adapter and as base model", "rename the adapter")
            names[name] = name
        for name, target in names.items():
            for served_name, weight in _targets(host, name, target).items():
                params = {"model": f"{provider}/{served_name}", **where}
                model_info = {"id": f"{host}/{name}/{served_name}"}
                share = None if weight is None and host not in weights else (weight or 1) * weights.get(host, 1)
                models.append({"model_name": name, "litellm_params": params, "model_info": model_info, "weight": share})
    return _with_weights(sorted(models, key=lambda one: (one["model_name"], one["model_info"]["id"])))


def _with_weights(models: list[dict]) -> list[dict]:
    """Put the weights into the parameters. LiteLLM takes a missing weight for 0 if others have one."""
    any_weight = any(one["weight"] is not None for one in models)
    for one in models:
        weight = one.pop("weight")
        if any_weight:
            one["litellm_params"]["weight"] = 1 if weight is None else weight
    return models


def _by_host(what: str, given: object) -> dict[str, Any]:
    value = {} if given is None else plain(given)
    if not isinstance(value, Mapping) or not all(isinstance(key, str) and key for key in value):
        raise refused(f"{what} is not a mapping of names", "see ansible-doc -t filter sovereign.vllm.gateway_models")
    return dict(value)


def _api_base(host: str, variables: Mapping, urls: Mapping, places: dict[str, str]) -> str:
    url = urls.get(host) or plain(variables.get("vllm_base_url"))
    if not isinstance(url, str):
        raise refused(f"{host} has no vllm_base_url", "set it in the inventory, or give base_urls")
    address = endpoint_of({"base_url": url}).base_url
    if places.setdefault(address, host) != host:
        advice = "give base_urls with the addresses by which the gateway reaches them"
        raise refused(f"{places[address]} and {host} have the same address, {address}", advice)
    return f"{address}/v1"


def _api_key(host: str, variables: Mapping, keys: object) -> dict[str, str]:
    given = keys.get(host) if isinstance(keys, Mapping) else keys
    variable = given or plain(variables.get("vllm_api_key_env"))
    if not variable:
        if variables.get("vllm_api_key"):
            problem = f"{host} has a key in vllm_api_key, which is not written into the file of another program"
            raise refused(problem, "name an environment variable of the gateway in api_key_env")
        return {}
    if not isinstance(variable, str) or not _VARIABLE.fullmatch(variable):
        raise refused(f"{host} has an api_key_env that is no name of a variable", "name an environment variable")
    return {"api_key": f"{_OF_THE_ENVIRONMENT}{variable}"}


def _listed(host: str, names: object) -> list[str]:
    if names is None:
        return []
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise refused(f"base_models of {host} is not a list of names", "give a list")
    return names


def _targets(host: str, name: str, target: object) -> dict[str, float | None]:
    """Return the weight of each served name. None is that of all."""
    if "*" in name or name.startswith(_OF_THE_ENVIRONMENT):
        raise refused(f"{host} has the name {quoted(name)}, which LiteLLM reads as a pattern", "rename the adapter")
    if isinstance(target, str) and target:
        return {target: None}
    if isinstance(target, Mapping) and target and all(isinstance(one, str) and one for one in target):
        return {one: _weight(f"weight of {one}", weight) for one, weight in target.items()}
    raise refused(f"{host} has no served name for {quoted(name)}", "give a name, or names with weights")


def _weight(what: str, given: object) -> float:
    try:
        weight = typed(given, {"type": "float"})
    except ValueError:
        weight = None
    if not isinstance(weight, float) or weight <= 0:
        raise refused(f"The {what} is not a number above 0", "give a number, such as 1")
    return int(weight) if weight == int(weight) else weight
