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
      - An adapter with C(src) is refused, since only the role knows its path on the node. The role audits such an adapter in
        check mode.
    type: list
    elements: dict
    required: true
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
    adapters:
      description: One entry for each adapter that is declared or would be pruned, with the keys that
        M(sovereign.vllm.vllm_lora_adapters) returns in check mode. Empty if nothing is known.
      type: list
      elements: dict
      sample:
        - name: sql
          action: reload
          drift: path
          path: /srv/adapters/sql/4f2a9c01d7be
          root: /srv/adapters/sql/4f2a9c01d7be
          parent: tiny
          before: {path: /srv/adapters/sql/90be11c2a7d4, root: /srv/adapters/sql/90be11c2a7d4, parent: tiny}
          error: null
    summary:
      description: Number of adapters by drift.
      type: dict
      sample: {none: 18, missing: 0, path: 1, base_model: 0, unexpected: 1}
    msg:
      description: Reason why nothing is known, or an empty string.
      type: str
    error:
      description: The error for playbooks, with the keys that the modules return, or null.
      type: dict
"""

from collections.abc import Mapping

from ansible.errors import AnsibleFilterError
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import (
    declare_all,
    read_adapters,
    without_artifacts,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.models import Observed
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import DRIFTS, Plan, plan
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.pruning import PRUNE_OPTIONS, read_pruning
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.results import entry_result, planned
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import CompleteError, VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host_variables import observed_from
from ansible_collections.sovereign.vllm.plugins.plugin_utils._settings import plain
from jinja2 import Undefined

_NOT_OBSERVED = (
    "the input is neither the variables of a host of the inventory sovereign.vllm.vllm nor the result of "
    "sovereign.vllm.vllm_base_model_info"
)


class FilterModule:
    def filters(self) -> dict:
        return {"lora_drift": lora_drift}


def lora_drift(observed: object, desired: object, **pruning: object) -> dict:
    """Return the result that the module would have in check mode, or the reason why it is not known."""
    # Before ansible-core 2.19, Ansible also calls a filter with an undefined value.
    if isinstance(desired, Undefined):
        raise _refusal("no adapters are declared; give a list, an empty one if the server is to serve none")
    unknown = [option for option in pruning if option not in PRUNE_OPTIONS]
    if unknown:
        raise _refusal(f"it has no option {unknown[0]}; use {', '.join(PRUNE_OPTIONS)}")
    try:
        return drift_from("the declaration", observed, desired, pruning)
    except VllmError as error:
        raise _refusal(error.message) from None


def drift_from(where: str, observed: object, desired: object, pruning: Mapping) -> dict:
    """Return the same for other filters.

    :param where: the name of the declaration in messages.
    :raises VllmError: ``invalid_request`` if the declaration cannot be used.
    """
    # The pure layer is slow with the lazy containers of ansible-core 2.19, and does not know omitted values.
    declared = declare_all(without_artifacts(where, read_adapters(where, plain(desired))))
    options = read_pruning(plain(pruning))
    try:
        result = _result(plan(declared, _observed(observed), options))
    except VllmError as error:
        result = _result(None, error)
    return wrap_var(result)


def _result(decided: Plan | None, error: VllmError | None = None) -> dict:
    after = planned(decided) if decided else {}
    return {
        "changed": decided is not None and decided.changed,
        "unreachable": error is not None and error.is_unreachable,
        "failed": error is not None and not error.is_unreachable,
        "adapters": [entry_result(entry, after[entry.name]) for entry in decided.entries] if decided else [],
        "summary": decided.summary if decided else dict.fromkeys(DRIFTS, 0),
        "msg": error.message if error else "",
        "error": error.as_dict() if error else None,
    }


def _observed(given: object) -> Observed:
    """Return the list of models in the input.

    :raises VllmError: the reason why the input has no list.
    """
    if isinstance(given, Mapping) and "vllm_reachable" in given:
        error, unseen = given.get("vllm_error"), not given["vllm_reachable"]
        url, lists = given.get("vllm_base_url"), ("vllm_base_models", "vllm_served_adapters")
    elif isinstance(given, Mapping):
        error, unseen = given.get("error"), bool(given.get("failed") or given.get("unreachable"))
        url, lists = "the server", ("base_models", "adapters")
    else:
        raise _refusal(_NOT_OBSERVED)
    if unseen:
        raise _reason(error, given)
    try:
        observed = observed_from(url, *(given.get(name) for name in lists))
    except ValueError:
        raise _refusal(_NOT_OBSERVED) from None
    if not observed.base_models:
        # A list without a base model may not be complete.
        raise _refusal(_NOT_OBSERVED)
    return observed


def _reason(error: object, given: Mapping) -> VllmError:
    """Return the error of the input. The inventory has the message in the error, and a result has it beside the error."""
    error = error if isinstance(error, Mapping) else {}
    code = error.get("code") or ("unreachable" if given.get("unreachable") else "server_error")
    message = error.get("msg") or given.get("msg") or "The server was not seen."
    return CompleteError(
        code,
        message,
        error.get("hint") or "",
        http_status=error.get("http_status"),
        detail=error.get("detail") or "",
    )


def _refusal(problem: str) -> AnsibleFilterError:
    return AnsibleFilterError(f"sovereign.vllm.lora_drift: {problem}")
