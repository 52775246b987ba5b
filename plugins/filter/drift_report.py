# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: drift_report
short_description: Make one report from the audit of many vLLM servers
version_added: 1.0.0
description:
  - Gathers the results of M(sovereign.vllm.vllm_lora_adapters) in check mode, or what the inventory saw of each site, compared with what is declared
    for it.
  - A site that did not answer is unreachable, whatever is known of it. Nothing is concluded about its adapters.
  - A site for which nothing is declared is not audited. An empty list is a declaration; a variable that is missing or misspelled is not.
positional: sites
options:
  _input:
    description: The variable C(hostvars).
    type: dict
    required: true
  sites:
    description: Names of the hosts that the report is about.
    type: list
    elements: str
    required: true
  generated_at:
    description: Time of the report, as ISO 8601.
    type: str
    required: true
  result:
    description: Name of the variable of each host that holds the result of its audit.
    type: str
    default: drift_report_audit
  findings:
    description: Name of the variable of each host that holds the result of M(sovereign.vllm.vllm_server_info), if it was asked.
    type: str
    default: drift_report_server
  declared:
    description:
      - Name of the variable of each host that holds the adapters that are declared.
      - If it is given, O(result) is not used. What the inventory saw of each site is compared, and no site is asked.
      - A site whose declaration cannot be used is V(failed), with the reason, and the rest go on.
    type: str
  prune:
    description: With O(declared), whether what is served but not declared has drifted, on hosts that have no variable C(drift_report_prune) of their
      own.
    type: bool
    default: true
  prune_exclude:
    description: With O(declared), names that may be served without being declared, as globs, on hosts that have no variable
      C(drift_report_prune_exclude) of their own. If empty, those in C(lora_adapters_prune_exclude) of each host.
    type: list
    elements: str
    default: []
  awaited:
    description: Names of hosts that the audit comes to later, as those of the next batches of a play with C(serial). Those without a result are left
      out of the report. Not used with O(declared).
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
- name: Report what the inventory saw, without asking the sites again
  ansible.builtin.set_fact:
    fleet: "{{ hostvars | sovereign.vllm.drift_report(groups.vllm, generated_at=now(utc=true).isoformat(),
      declared='lora_adapters_adapters') }}"
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
      description: Whether the sites were asked for this report, or what the inventory saw was compared.
      type: str
      choices: [live, inventory]
    summary:
      description: Number of sites, in all and by verdict.
      type: dict
      sample: {sites: 3, drifted: 1, unreachable: 1, failed: 0, not_declared: 0, in_sync: 1}
    awaited:
      description: Names of the hosts that were left out, since the audit comes to them later.
      type: list
      elements: str
    failure:
      description:
        - Why the audit has failed, or an empty string. It has failed if there is a site with one of the verdicts in O(fail_on).
        - It has also failed if no site was audited. A fleet that is unreachable as a whole was audited.
        - While hosts are awaited, this is empty.
      type: str
    adapters:
      description: Names of all adapters, those that have drifted at most sites first.
      type: list
      elements: str
    sites:
      description: The sites, what needs attention first.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the host.
          type: str
        url:
          description: Address of its server.
          type: str
        version:
          description: Version of its server, or null where neither the audit nor the inventory saw it.
          type: str
        verdict:
          description: What is the matter.
          type: str
          choices: [drifted, unreachable, failed, not_declared, in_sync]
        reason:
          description: Why it is unreachable or was not audited, or what an interrupted run left there. Otherwise an empty string.
          type: str
        last_seen:
          description: When the inventory last saw what it serves, or null where that is not known. If C(source) is V(inventory), the verdict is about
            this time.
          type: str
        adapters:
          description:
            - The adapters that are declared there, or served and not declared, each with its C(name).
            - C(verdict) is V(in_sync), V(missing), V(drifted) or V(unexpected), and C(drift) the same as M(sovereign.vllm.vllm_lora_adapters) has it.
            - C(path) and C(parent) are the path and the base model that are declared, or null where the adapter is not.
            - C(served) is what is served under the name, with C(path) and C(parent), or null for nothing.
          type: list
          elements: dict
        findings:
          description: What M(sovereign.vllm.vllm_server_info) found.
          type: list
          elements: dict
"""

from ansible.errors import AnsibleFilterError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.text.converters import to_text
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.sovereign.vllm.plugins.filter.lora_drift import drift_from
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import printable
from ansible_collections.sovereign.vllm.plugins.plugin_utils._drift_report import (
    VERDICTS,
    failed_for_want_of,
    not_declared,
    report,
    text_of,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._settings import plain

_OF_THE_INVENTORY = ("vllm_base_url", "vllm_version", "vllm_observed_at")
_DECLARED = "lora_adapters_adapters"
_NAMES = {"type": "list", "elements": "str", "required": True}
_VALIDATOR = ArgumentSpecValidator(
    {"sites": _NAMES, "awaited": _NAMES, "fail_on": dict(_NAMES, choices=list(VERDICTS))},
)


class FilterModule:
    def filters(self):
        return {"drift_report": drift_report}


def drift_report(
    hostvars,
    sites,
    generated_at,
    result="drift_report_audit",
    findings="drift_report_server",
    declared=None,
    prune=True,
    prune_exclude=(),
    awaited=(),
    fail_on=(),
):
    """Return the report."""
    checked = _VALIDATOR.validate(plain({"sites": sites, "awaited": awaited, "fail_on": fail_on}))
    if checked.error_messages:
        raise AnsibleFilterError(f"sovereign.vllm.drift_report: {' '.join(checked.error_messages)}")
    lists = checked.validated_parameters

    def compared(variables):
        pruning = {
            "prune": variables.get("drift_report_prune", prune),
            "prune_exclude": variables.get(
                "drift_report_prune_exclude", prune_exclude or variables.get("lora_adapters_prune_exclude", ())
            ),
        }
        return drift_from(declared, variables, _declared(variables, declared), pruning)

    def audited(variables, url):
        if declared and declared not in variables:
            return not_declared(declared, list(variables))
        if url is None and variables.get("vllm_error"):
            # Nobody could be asked, and the inventory knows why there is no address.
            return {"failed": True, "msg": variables["vllm_error"]["msg"]}
        if declared:
            return _or_failure(compared, variables)
        found = variables.get(result)
        if _DECLARED not in variables and failed_for_want_of(_DECLARED, found):
            return not_declared(_DECLARED, list(variables))
        return found

    def site(name):
        variables = hostvars[name]
        seen = {key: text_of(variables, key) for key in _OF_THE_INVENTORY}
        seen["vllm_base_url"] = seen["vllm_base_url"] or text_of(variables, "lora_adapters_base_url")
        return {
            "name": to_text(name),
            "result": audited(variables, seen["vllm_base_url"]),
            "variables": seen,
            "server": variables.get(findings),
        }

    # What the inventory saw is known of all of them at once.
    come = [] if declared else [name for name in lists["awaited"] if hostvars[name].get(result) is None]
    source = "inventory" if declared else "live"
    rows = map(site, (name for name in lists["sites"] if name not in come))
    return wrap_var(report(rows, to_text(generated_at), source, come, lists["fail_on"]))


def _declared(variables, name):
    try:
        value = plain(variables[name])
    except Exception as error:
        raise refused(f"{name} cannot be resolved ({printable(error).rstrip('.')})", "define what it uses") from None
    # Before ansible-core 2.19, `hostvars` leaves a template as it is when something in it is undefined.
    if "{{" in str(value):
        raise refused(f"{name} cannot be resolved (something in it is undefined)", "define what it uses")
    return value


# A template in the variables of a host can raise anything, and is the trouble of this host alone.
def _or_failure(compared, variables):
    try:
        return compared(variables)
    except Exception as error:
        return {"failed": True, "msg": printable(error)}
