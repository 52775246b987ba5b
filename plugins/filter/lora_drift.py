# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lora_drift
short_description: Compare the known adapters of a vLLM server with the declaration
version_added: 1.0.0
description:
  - Predicts the result of M(sovereign.vllm.vllm_lora_adapters), with the same code and without a request.
    P(sovereign.vllm.drift_report#filter) does this for a fleet.
  - If a server gave no usable answer, the filter does not compare it, not even with its last known state. The filter returns
    the server as unreachable or failed, like the result of a task.
  - The filter does not know facts that need a request, such as whether adapters can be loaded at all, and temporary names
    that an interrupted run left.
positional: desired
extends_documentation_fragment:
  - sovereign.vllm._pruning
  - sovereign.vllm._requirements
options:
  _input:
    description: Variables of a host of the inventory P(sovereign.vllm.vllm#inventory), or the result of
      M(sovereign.vllm.vllm_base_model_info).
    type: dict
    required: true
  desired:
    description:
      - The declared adapters, as M(sovereign.vllm.vllm_lora_adapters) or the role
        P(sovereign.vllm.lora#role) takes them.
      - An adapter with C(src) has the path that follows from its digest. The filter takes the declared C(digest), the digest that
        was read or staged before for this C(checksum), or the digest of the artifact on the controller. It never asks a node, so
        it refuses other artifacts.
    type: list
    elements: dict
    required: true
  server_store:
    description: The store of staged artifacts as the server sees it.
    type: str
    default: /srv/lora
  versioned_names:
    description: Whether each staged artifact is served as C(<name>-<first 8 digits of its digest>).
    type: bool
    default: false
seealso:
  - plugin: sovereign.vllm.drift_report
    plugin_type: filter
  - plugin: sovereign.vllm.vllm
    plugin_type: inventory
  - module: sovereign.vllm.vllm_lora_adapters
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Audit one host
  ansible.builtin.debug:
    msg: "{{ audit.msg or audit.adapters | rejectattr('drift', 'eq', 'none') }}"
  vars:
    edge: "{{ hostvars['edge001'] }}"
    audit: "{{ edge | sovereign.vllm.lora_drift(edge.lora_adapters, prune=true) }}"

- name: Fail if this host has drifted or cannot meet the declaration, but not if the host is offline
  ansible.builtin.assert:
    that: audit is not changed and audit is not failed
    fail_msg: "{{ audit.msg or 'It has drifted.' }}"
  vars:
    audit: "{{ hostvars[inventory_hostname] | sovereign.vllm.lora_drift(lora_adapters) }}"

# The filter sovereign.vllm.drift_report compares a fleet in one task.
"""

RETURN = r"""
_value:
  description: The predicted result, or the reason why it is not known.
  type: dict
  contains:
    changed:
      description: V(true) if the module would change something.
      type: bool
      sample: true
    unreachable:
      description: V(true) if there was no usable HTTP answer.
      type: bool
      sample: false
    failed:
      description: V(true) if the answer was no list of models, or if the server cannot meet the declaration.
      type: bool
      sample: false
    verdict:
      description: Verdict on the server, as RV(sovereign.vllm.vllm_lora_adapters#module:verdict).
      type: str
      choices: [drifted, unreachable, failed, undeclared, in_sync]
      sample: drifted
    plan_id:
      description: Identity of the plan, for O(sovereign.vllm.vllm_lora_adapters#module:expect_plan). Null if nothing is known, or if
        the input has no address.
      type: str
      sample: sha256:6f4d1ab5a0d5c4b8c9f1a63ae9de0c5f2c74f3b8dd0c4ffb7a1f4ff3d3b0a9e7
    server:
      description: One sentence for each part of O(requires) that the server does not meet.
      type: list
      elements: str
      sample: []
    adapters:
      description: One entry for each adapter that is declared or served, with the keys that
        M(sovereign.vllm.vllm_lora_adapters) returns in check mode. Empty if nothing is known.
      type: list
      elements: dict
      sample:
        - name: sql
          action: reload
          drift: path
          declared: true
          excluded: false
          path: /srv/adapters/sql/4f2a9c01d7be
          root: /srv/adapters/sql/4f2a9c01d7be
          parent: tiny
          before: {path: /srv/adapters/sql/90be11c2a7d4, root: /srv/adapters/sql/90be11c2a7d4, parent: tiny}
          error: null
    summary:
      description: Number of adapters by drift.
      type: dict
      sample: {none: 18, missing: 0, path: 1, base_model: 0, unexpected: 1, server: 0}
    msg:
      description: Reason why nothing is known, or an empty string.
      type: str
    error:
      description: The error for playbooks, with the keys that the modules return, or null.
      type: dict
"""


from ansible.errors import AnsibleFilterError
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import read_adapters
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import read_option
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.resolution import artifacts_below, resolved
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.audited_hosts import (
    OPTIONS,
    NotObservedError,
    compare,
    observation_in,
)
from jinja2 import Undefined

# As the role has them.
_OF_THE_STORE: dict[str, dict] = {
    "server_store": {"type": "str", "default": "/srv/lora"},
    "versioned_names": {"type": "bool", "default": False},
}
_ALL_OPTIONS = {**OPTIONS, **_OF_THE_STORE}


class FilterModule:
    def filters(self) -> dict:
        return {"lora_drift": lora_drift}


def lora_drift(observed: object, desired: object, **options: object) -> dict:
    """Return the result that the module would have in check mode, or the reason why it is not known."""
    # Before ansible-core 2.19, Ansible also calls a filter with an undefined value.
    if isinstance(desired, Undefined):
        raise _refusal("no adapters are declared; give a list, an empty one if the server is to serve none")
    unknown = [option for option in options if option not in _ALL_OPTIONS]
    if unknown:
        raise _refusal(f"it has no option {unknown[0]}; use {', '.join(_ALL_OPTIONS)}")
    try:
        # The pure layer is slow with the lazy containers of ansible-core 2.19, and does not know omitted values.
        return wrap_var(_compared(observation_in(observed), plain(desired), plain(options)))
    except VllmError as error:
        raise _refusal(error.message) from None
    except NotObservedError as error:
        raise _refusal(str(error)) from None


def _compared(observed: dict, desired: object, options: dict) -> dict:
    where = "the declaration"
    stored = {name: read_option(name, options.get(name), spec) for name, spec in _OF_THE_STORE.items()}
    settings = {name: _OF_THE_STORE[name]["default"] if value is None else value for name, value in stored.items()}
    settings["adapters"] = read_adapters(where, desired)
    return compare(observed, resolved(settings, artifacts_below("."), where=where), options)


def _refusal(problem: str) -> AnsibleFilterError:
    return AnsibleFilterError(f"sovereign.vllm.lora_drift: {problem}")
