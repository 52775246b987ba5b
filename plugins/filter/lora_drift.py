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

from collections.abc import Mapping

from ansible.errors import AnsibleFilterError
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import (
    declare_all,
    read_adapters,
    without_artifacts,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.models import Observed
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import DRIFTS, Plan, plan, verdict_of
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.pruning import PRUNE_OPTIONS, read_pruning
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.results import (
    entry_result,
    planned,
    verdict_result,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import CompleteError, VllmError
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.requirements import (
    REQUIRE_OPTIONS,
    read_requirements,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host_variables import observed_from
from ansible_collections.sovereign.vllm.plugins.plugin_utils._settings import plain
from jinja2 import Undefined

_NOT_OBSERVED = (
    "the input is neither the variables of a host of the inventory sovereign.vllm.vllm nor the result of "
    "sovereign.vllm.vllm_base_model_info"
)


# The result of a module names no address.
_NO_ADDRESS = "the server"
#: As in an argument spec.
OPTIONS = {**PRUNE_OPTIONS, **REQUIRE_OPTIONS}


class FilterModule:
    def filters(self) -> dict:
        return {"lora_drift": lora_drift}


def lora_drift(observed: object, desired: object, **options: object) -> dict:
    """Return the result that the module would have in check mode, or the reason why it is not known."""
    # Before ansible-core 2.19, Ansible also calls a filter with an undefined value.
    if isinstance(desired, Undefined):
        raise _refusal("no adapters are declared; give a list, an empty one if the server is to serve none")
    unknown = [option for option in options if option not in OPTIONS]
    if unknown:
        raise _refusal(f"it has no option {unknown[0]}; use {', '.join(OPTIONS)}")
    try:
        # The pure layer is slow with the lazy containers of ansible-core 2.19, and does not know omitted values.
        return wrap_var(drift_from("the declaration", observed, plain(desired), plain(options)))
    except VllmError as error:
        raise _refusal(error.message) from None


def drift_from(where: str, observed: object, desired: object, options: Mapping) -> dict:
    """Return the same for other filters, not yet marked as untrusted.

    :param where: the name of the declaration in messages.
    :param desired: plain data.
    :param options: those of :data:`OPTIONS` that are given, plain data.
    :raises VllmError: ``invalid_request`` if the declaration or an option cannot be used.
    """
    declared = declare_all(without_artifacts(where, read_adapters(where, desired)))
    pruning, requirements = read_pruning(options), read_requirements(options)
    try:
        seen = _observed(observed)
        differences = requirements.differences(seen, _version_in(observed))
        return _result(plan(declared, seen, pruning, differences))
    except VllmError as error:
        return _no_result(error)


def _result(decided: Plan) -> dict:
    after, verdict = planned(decided), verdict_result(decided)
    return {
        "changed": decided.changed,
        "unreachable": False,
        "failed": False,
        **verdict,
        "plan_id": None if decided.observed.url == _NO_ADDRESS else verdict["plan_id"],
        "adapters": [entry_result(entry, after[entry.name]) for entry in decided.entries],
        "msg": "",
        "error": None,
    }


def _no_result(error: VllmError) -> dict:
    return {
        "changed": False,
        "unreachable": error.is_unreachable,
        "failed": not error.is_unreachable,
        "verdict": verdict_of(error.code),
        "plan_id": None,
        "server": [],
        "adapters": [],
        "summary": dict.fromkeys(DRIFTS, 0),
        "msg": error.message,
        "error": error.as_dict(),
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
        url, lists = _NO_ADDRESS, ("base_models", "adapters")
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


def _version_in(given: object) -> str | None:
    version = given.get("vllm_version") or given.get("version") if isinstance(given, Mapping) else None
    return None if version is None else str(version)


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
