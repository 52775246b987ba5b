# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lora_declared_from
short_description: Declare the adapters that a vLLM server serves now
version_added: 1.0.0
description:
  - Returns the declaration with which the server is in sync, and for which P(sovereign.vllm.lora#role) writes nothing to it.
    The playbook C(sovereign.vllm.adopt) writes such declarations into the inventory.
  - If the server gave no usable answer, the filter fails with the reason. It never returns an empty list for a server that
    was not seen, and it does not use its last known state.
  - An adapter that cannot be declared is left out, and a warning names it. An example is an adapter that has the name of a
    base model. The filter also leaves out temporary names that an interrupted run left, without a warning.
  - A server does not tell whether the weights of an adapter are in the 3D layout, nor what is in the directory of the adapter.
    So no adapter has C(is_3d_lora_weight), C(src) or C(digest).
options:
  _input:
    description: Variables of a host of the inventory P(sovereign.vllm.vllm#inventory), or the result of
      M(sovereign.vllm.vllm_base_model_info).
    type: dict
    required: true
seealso:
  - plugin: sovereign.vllm.lora_drift
    plugin_type: filter
  - plugin: sovereign.vllm.vllm
    plugin_type: inventory
  - module: sovereign.vllm.vllm_base_model_info
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Show a declaration of what the inventory saw on one host
  ansible.builtin.debug:
    msg: "{{ hostvars['edge001'] | sovereign.vllm.lora_declared_from }}"

- name: List what a server serves now
  sovereign.vllm.vllm_base_model_info:
    base_url: http://edge001:8000
  register: served

- name: Have another server serve the same adapters
  sovereign.vllm.vllm_lora_adapters:
    base_url: http://edge002:8000
    adapters: "{{ served | sovereign.vllm.lora_declared_from }}"
"""

RETURN = r"""
_value:
  description: The served adapters in the order of the server, as C(lora_adapters) and M(sovereign.vllm.vllm_lora_adapters) take
    them.
  type: list
  elements: dict
  sample:
    - name: sql
      path: /srv/adapters/sql/4f2a9c01d7be
      base_model: tiny
  contains:
    name:
      description: Name by which requests choose the adapter.
      type: str
    path:
      description: Path of the adapter, in the spelling of the server.
      type: str
    base_model:
      description: First name of the base model of the adapter. The key is missing if the server does not list that base model.
      type: str
    allow_hub:
      description: V(true) if the path is relative, so that the server may have downloaded the adapter. Otherwise the key is
        missing.
      type: bool
"""

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._export.adoption import adopt
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.audited_hosts import (
    NotObservedError,
    observation_in,
    observed_in,
)


class FilterModule:
    def filters(self) -> dict:
        return {"lora_declared_from": lora_declared_from}


def lora_declared_from(observed: object) -> list[dict]:
    """Return the declaration of what the server serves."""
    try:
        adoption = adopt(observed_in(observation_in(observed)))
    except NotObservedError as error:
        raise AnsibleFilterError(f"sovereign.vllm.lora_declared_from: {error}") from None
    except VllmError as error:
        raise AnsibleFilterError(f"sovereign.vllm.lora_declared_from: {error.message}") from None
    for sentence in adoption.left_out:
        Display().warning(f"sovereign.vllm.lora_declared_from: {sentence}")
    return wrap_var(list(adoption.adapters))
