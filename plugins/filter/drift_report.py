# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: drift_report
short_description: Make one report from the audit of many vLLM servers
version_added: 1.0.0
description:
  - Collects the results of M(sovereign.vllm.vllm_lora_adapters) in check mode, or compares the state of each site in the inventory with the
    declaration.
  - A site that did not answer is unreachable, even if the inventory has an older state. The report says nothing about its adapters.
  - A site without declared adapters is not audited. An empty list is a declaration. A variable that is missing or misspelled is not.
positional: sites
options:
  _input:
    description: The variable C(hostvars).
    type: dict
    required: true
  sites:
    description: Names of the hosts in the report.
    type: list
    elements: str
    required: true
  generated_at:
    description: Time of the report, as ISO 8601.
    type: str
    required: true
  result:
    description: Name of the host variable with the result of the audit.
    type: str
    default: drift_report_audit
  findings:
    description: Name of the host variable with the result of M(sovereign.vllm.vllm_server_info), if there is one.
    type: str
    default: drift_report_server
  declared:
    description:
      - Name of the host variable with the declared adapters.
      - If set, O(result) is not used. The state of each site in the inventory is compared, and no site is asked.
      - A site whose declaration cannot be used is V(failed), with the reason. The other sites are still compared.
    type: str
  prune:
    description: Whether to count adapters that are served but not declared as drift. Used with O(declared), for hosts without their own variable
      C(drift_report_prune).
    type: bool
    default: true
  prune_exclude:
    description: Names that may be served without a declaration, as globs. Used with O(declared), for hosts without their own variable
      C(drift_report_prune_exclude). If empty, the names in C(lora_prune_exclude) of each host.
    type: list
    elements: str
    default: []
  awaited:
    description: Names of hosts that the audit reaches later, such as the next batches of a play with C(serial). The report leaves out those without
      a result. Not used with O(declared).
    type: list
    elements: str
    default: []
  fail_on:
    description: Verdicts that RV(_value.failure) reports.
    type: list
    elements: str
    choices: [drifted, unreachable, failed, not_declared, in_sync]
    default: []
seealso:
  - plugin: sovereign.vllm.drift_lines
    plugin_type: filter
  - plugin: sovereign.vllm.lora_drift
    plugin_type: filter
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Report the state in the inventory, and ask no site again
  ansible.builtin.set_fact:
    fleet: "{{ hostvars | sovereign.vllm.drift_report(groups.vllm, generated_at=now(utc=true).isoformat(),
      declared='lora_adapters') }}"
  run_once: true
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The report.
  type: dict
  contains:
    generated_at:
      description: Time of the report.
      type: str
      sample: "2026-11-23T18:50:00Z"
    source:
      description: V(live) if the sites were asked for this report, V(inventory) if the state in the inventory was compared.
      type: str
      choices: [live, inventory]
    summary:
      description: Number of sites, in all and by verdict.
      type: dict
      sample: {sites: 3, drifted: 1, unreachable: 1, failed: 0, not_declared: 0, in_sync: 1}
    awaited:
      description: Names of the hosts that the report leaves out, since the audit reaches them later.
      type: list
      elements: str
    failure:
      description:
        - Reason why the audit has failed, or an empty string. The audit fails if a site has one of the verdicts in O(fail_on).
        - The audit also fails if no site was audited. A fleet that is unreachable as a whole counts as audited.
        - While hosts are awaited, the reason is empty.
      type: str
    adapters:
      description: Names of all adapters. Those that have drifted at most sites come first.
      type: list
      elements: str
    sites:
      description: The sites. Those that need attention come first.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the host.
          type: str
        url:
          description: Address of the server.
          type: str
        version:
          description: Version of the server, or null if neither the audit nor the inventory has it.
          type: str
        verdict:
          description: Verdict of the audit.
          type: str
          choices: [drifted, unreachable, failed, not_declared, in_sync]
        reason:
          description: Reason why the site is unreachable or was not audited, or the leftovers of an interrupted run. Otherwise an empty string.
          type: str
        last_seen:
          description: Time of the state in the inventory, or null if there is none. If C(source) is V(inventory), the verdict is about this time.
          type: str
        adapters:
          description:
            - The adapters that are declared for the site, or served and not declared, each with its C(name).
            - C(verdict) is V(in_sync), V(missing), V(drifted) or V(unexpected). C(drift) is the value of M(sovereign.vllm.vllm_lora_adapters).
            - C(path) and C(parent) are the declared path and base model, or null if the adapter is not declared.
            - C(served) is the served adapter of this name, with C(path) and C(parent), or null.
          type: list
          elements: dict
        findings:
          description: Findings of M(sovereign.vllm.vllm_server_info).
          type: list
          elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.text.converters import to_text
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.sovereign.vllm.plugins.filter.lora_drift import drift_from
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import printable
from ansible_collections.sovereign.vllm.plugins.plugin_utils._drift_report import (
    VERDICTS,
    failed_over_variable,
    not_declared,
    report,
    text_of,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._settings import plain

_INVENTORY_VARIABLES = ("vllm_base_url", "vllm_server_version", "vllm_observed_at")
_DECLARED = "lora_adapters"
_NAMES = {"type": "list", "elements": "str", "required": True}
_VALIDATOR = ArgumentSpecValidator(
    {"sites": _NAMES, "awaited": _NAMES, "fail_on": dict(_NAMES, choices=list(VERDICTS))},
)


class FilterModule:
    def filters(self) -> dict:
        return {"drift_report": drift_report}


def drift_report(
    hostvars: Mapping,
    sites: Sequence[str],
    generated_at: str,
    result: str = "drift_report_audit",
    findings: str = "drift_report_server",
    declared: str | None = None,
    prune: bool = True,
    prune_exclude: Sequence[str] = (),
    awaited: Sequence[str] = (),
    fail_on: Sequence[str] = (),
) -> dict:
    """Return the report."""
    checked = _VALIDATOR.validate(plain({"sites": sites, "awaited": awaited, "fail_on": fail_on}))
    if checked.error_messages:
        raise AnsibleFilterError(f"sovereign.vllm.drift_report: {' '.join(checked.error_messages)}")
    lists = checked.validated_parameters

    def compared(declared: str, variables: Mapping) -> dict:
        pruning = {
            "prune": variables.get("drift_report_prune", prune),
            "prune_exclude": variables.get(
                "drift_report_prune_exclude", prune_exclude or variables.get("lora_prune_exclude", ())
            ),
        }
        return drift_from(declared, variables, _declared(variables, declared), pruning)

    def audited(variables: Mapping, url: str | None) -> Any:
        if declared and declared not in variables:
            return not_declared(declared, list(variables))
        if url is None and variables.get("vllm_error"):
            # The inventory knows why the host has no address. It was not asked.
            return {"failed": True, "msg": variables["vllm_error"]["msg"]}
        if declared:
            return _or_failure(compared, declared, variables)
        found = variables.get(result)
        if _DECLARED not in variables and failed_over_variable(_DECLARED, found):
            return not_declared(_DECLARED, list(variables))
        return found

    def site(name: str) -> dict:
        variables = hostvars[name]
        seen = {key: text_of(variables, key) for key in _INVENTORY_VARIABLES}
        seen["vllm_base_url"] = seen["vllm_base_url"] or text_of(variables, "lora_base_url")
        return {
            "name": to_text(name),
            "result": audited(variables, seen["vllm_base_url"]),
            "variables": seen,
            "server": variables.get(findings),
        }

    # With `declared`, no host is awaited: the inventory has the state of all hosts.
    come = [] if declared else [name for name in lists["awaited"] if hostvars[name].get(result) is None]
    source = "inventory" if declared else "live"
    rows = map(site, (name for name in lists["sites"] if name not in come))
    return wrap_var(report(rows, to_text(generated_at), source, come, lists["fail_on"]))


def _declared(variables: Mapping, name: str) -> object:
    try:
        value = plain(variables[name])
    except Exception as error:
        why = f"{name} cannot be resolved ({printable(error).rstrip('.')})"
        raise refused(why, "define the variables that it uses") from None
    # Before ansible-core 2.19, `hostvars` returns a template with an undefined variable unchanged.
    if "{{" in str(value):
        raise refused(f"{name} cannot be resolved (a variable in it is undefined)", "define the variables that it uses")
    return value


# A template in the variables of a host can raise anything. Only this host fails then.
def _or_failure(compared: Callable[[str, Mapping], dict], declared: str, variables: Mapping) -> dict:
    try:
        return compared(declared, variables)
    except Exception as error:
        return {"failed": True, "msg": printable(error)}
