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
      - Name of the host variable with the declared adapters, usually C(lora_adapters).
      - If set, O(result) is not used. The state of each site in the inventory is compared, and no site is asked.
      - Each host is compared with its own C(lora_prune), C(lora_prune_exclude), C(lora_prune_limit), C(lora_requires)
        and C(lora_revoked). They are the
        options of M(sovereign.vllm.vllm_lora_adapters) without the prefix.
      - A site whose declaration cannot be used is V(failed), with the reason. The other sites are still compared.
    type: str
  awaited:
    description: Names of hosts that the audit reaches later, such as the next batches of a play with C(serial). The report leaves out those without
      a result. Not used with O(declared).
    type: list
    elements: str
    default: []
  fail_on:
    description: Verdicts that RV(_value.failure) reports. RV(_value.sites[].counts_as) decides.
    type: list
    elements: str
    choices: [drifted, unreachable, failed, not_declared, undeclared, in_sync]
    default: []
  waivers:
    description: Differences that are accepted until a time, as C(drift_report_waivers) of the role P(sovereign.vllm.drift_report#role). The time is
      compared with O(generated_at).
    type: list
    elements: dict
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
      description: V(live) if the sites were asked for this report, V(inventory) if the state in the inventory was compared, V(results)
        if no site was asked, and only results that were carried back are reported.
      type: str
      choices: [live, inventory, results]
    run:
      description:
        - Null, unless the role P(sovereign.vllm.drift_report#role) makes the report.
        - C(inventory) has the sources of the inventory, or its name in AWX. A password in an address is left out. C(commit) has the C(id) of
          the commit of the inventory, and C(changed) if a tracked file had changes. It is null if git does not track the inventory.
        - C(job) and C(template) are the ID of the job in AWX and the name of its template. C(user) is who started the run, C(limit) its
          C(--limit). Each is null if there is none.
        - C(check_mode) is V(true) if the run was in check mode.
      type: dict
      sample:
        inventory: [sites.vllm.yml]
        commit: {id: 4f0c1d9a2b7e8d3c5a6f1e0b9d8c7a6f5e4d3c2b, changed: false}
        job: null
        template: null
        user: ada
        limit: null
        check_mode: false
    summary:
      description: Number of sites, in all and by verdict. C(waived) is the number of sites that count as another verdict, since differences are
        waived.
      type: dict
      sample: {sites: 3, drifted: 1, unreachable: 1, failed: 0, not_declared: 0, undeclared: 0, in_sync: 1, waived: 0}
    awaited:
      description: Names of the hosts that the report leaves out, since the audit reaches them later.
      type: list
      elements: str
    failing:
      description: Names of the sites for which the audit fails.
      type: list
      elements: str
      sample: [edge2]
    history:
      description:
        - Null, unless the role P(sovereign.vllm.drift_report#role) makes the report and C(drift_report_history) is set.
        - C(previous_run) is the time of the last run before this one, or null. C(trend) is the number of sites by verdict in the last runs,
          each with its time C(at).
        - C(changes) has the sites that have changed since the last run about them, each with the verdicts C(before) and C(after), and with the
          differences that have C(appeared) and that are C(gone), as adapter and drift.
      type: dict
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
    groups:
      description: Names of the groups of the inventory that have some of the sites, but not all. The largest one comes first. The page shows
        each site in the first of them that has it.
      type: list
      elements: str
      sample: [north, south, canary]
    sites:
      description: The sites. Those that need attention come first.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the host.
          type: str
        groups:
          description: Names of all its groups in the inventory, without C(all), C(ungrouped), and those that the collection makes for states.
          type: list
          elements: str
        url:
          description: Address of the server.
          type: str
        version:
          description: Version of the server, or null if neither the audit nor the inventory has it.
          type: str
        verdict:
          description: Verdict of the audit, as RV(sovereign.vllm.vllm_lora_adapters#module:verdict), or V(not_declared).
          type: str
          choices: [drifted, unreachable, failed, not_declared, undeclared, in_sync]
        counts_as:
          description: The same verdict without the waived differences.
          type: str
          choices: [drifted, unreachable, failed, not_declared, undeclared, in_sync]
        waived:
          description: V(true) if C(counts_as) is another verdict than C(verdict).
          type: bool
        plan_id:
          description: Identity of the plan, for O(sovereign.vllm.vllm_lora_adapters#module:expect_plan). Null if the site was not compared.
          type: str
        server:
          description: One sentence for each requirement that the server does not meet.
          type: list
          elements: str
        waiver:
          description: The waiver of this difference of the server, with C(until), C(reason) and C(by), or null.
          type: dict
        reason:
          description: Reason why the site is unreachable or was not audited, or the leftovers of an interrupted run. Otherwise an empty string.
          type: str
        error:
          description: The error of a site that was not compared, with C(code), C(http_status), C(detail), C(hint) and C(retryable), or null. C(code)
            is V(task_failed) if Ansible itself failed the task.
          type: dict
        as_of:
          description: Time of the audit, if its result was carried back from a site that no network reaches. Otherwise null.
          type: str
        bundle:
          description: Serial of the bundle of such a result, or null.
          type: int
        last_seen:
          description: Time of the state in the inventory, or null if there is none. If C(source) is V(inventory), the verdict is about this time.
          type: str
        since:
          description: Time since which the site has its verdict, or null if RV(_value.history) is null.
          type: str
        adapters:
          description:
            - The adapters that are declared for the site, or served and not declared, each with its C(name).
            - C(verdict) is V(in_sync), V(missing), V(drifted), V(revoked), V(unexpected), V(undeclared) or
              V(excluded). C(drift) is the value of
              M(sovereign.vllm.vllm_lora_adapters).
            - C(path) and C(parent) are the declared path and base model, or null if the adapter is not declared.
            - C(served) is the served adapter of this name, with C(path) and C(parent), or null.
            - C(waiver) is the waiver of the difference, with C(until), C(reason) and C(by), or null.
          type: list
          elements: dict
        notes:
          description: Sentences about what was measured, and what could not be checked, as RV(sovereign.vllm.vllm_audit#module:notes).
          type: list
          elements: str
        findings:
          description: Findings of the audit, as RV(sovereign.vllm.vllm_audit#module:findings).
          type: list
          elements: dict
"""

from collections.abc import Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import VERDICTS
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.audited_hosts import audited_sites
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.drift_report import report
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.waivers import read_waivers

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
    awaited: Sequence[str] = (),
    fail_on: Sequence[str] = (),
    waivers: object = (),
) -> dict:
    """Return the report."""
    checked = _VALIDATOR.validate(plain({"sites": sites, "awaited": awaited, "fail_on": fail_on}))
    if checked.error_messages:
        raise AnsibleFilterError(f"sovereign.vllm.drift_report: {' '.join(checked.error_messages)}")
    lists, made = checked.validated_parameters, str(generated_at)
    try:
        in_force = read_waivers("waivers", plain(waivers), made)
    except VllmError as error:
        raise AnsibleFilterError(f"sovereign.vllm.drift_report: {error.message}") from None
    rows, come = audited_sites(hostvars, lists["sites"], lists["awaited"], result, findings, declared)
    source = "inventory" if declared else "live"
    return wrap_var(report(rows, made, source, come, lists["fail_on"], in_force))
