#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_audit
short_description: Compare a vLLM server with the variables of its host
version_added: 1.0.0
description:
  - The role P(sovereign.vllm.lora#role) audits a host with this module, by C(tasks_from=audit). Other playbooks should use the
    role or the playbook C(sovereign.vllm.drift_audit), since the options of this module can change with any release.
  - The module reads the declaration and the connection in the variables of the host, as the role does. It returns what
    M(sovereign.vllm.vllm_lora_adapters) would return for this host in check mode. Nothing is written.
  - An adapter that is declared by C(src) has the path that follows from its digest. The module takes the declared C(digest),
    the digest that was read or staged before for this C(checksum), or the digest of the artifact on the controller. It
    contacts the node only if the node alone can tell the digest, for C(remote_src) and for a source that is gone.
  - If nothing has to change, the server gets one request. If C(lora_requires) names a version, it gets one more.
  - If C(lora_boot_file) is set, the module also compares that file, unless the controller asks the server of another host.
  - If C(drift_audit_weights) is set, the module also compares the weights in the server's memory with the fingerprints in
    C(lora_fingerprints), as M(sovereign.vllm.vllm_smoke_test) does. Each adapter that is served as declared costs two completions.
    Without this variable, the module sends no completion. It never sends a request that writes.
  - If C(drift_audit_weights) or C(drift_audit_findings) is set and the node is at hand, the module looks for the directories of
    the served adapters on the node. A path in C(lora_server_store) is looked for in C(lora_store). The node is at hand if the
    host sends the requests, to an address of its own.
  - Further variables are C(drift_audit_findings), which also asks the server how it is exposed, and
    C(drift_audit_adapters_from), as O(sovereign.vllm.vllm_server_info#module:adapters_from).
extends_documentation_fragment:
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.info
attributes:
  async:
    support: none
  diff_mode:
    support: full
options:
  expect_plan:
    description: As O(sovereign.vllm.vllm_lora_adapters#module:expect_plan).
    type: str
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Compare the server with the declaration
  sovereign.vllm.vllm_audit:
  register: drift_report_audit
"""

RETURN = r"""
verdict:
  description: Verdict on the server, as RV(sovereign.vllm.vllm_lora_adapters#module:verdict), or V(not_declared) if the host has no
    variable C(lora_adapters).
  returned: always
  type: str
  sample: drifted
adapters:
  description: Each adapter, as RV(sovereign.vllm.vllm_lora_adapters#module:adapters). RV(plan_id), RV(summary), RV(server), RV(diff) and
    the other values of that module are returned as well.
  returned: success
  type: list
  elements: dict
plan_id:
  description: The identity of the plan, as RV(sovereign.vllm.vllm_lora_adapters#module:plan_id).
  returned: success
  type: str
summary:
  description: The number of adapters by drift.
  returned: success
  type: dict
server:
  description: One sentence for each requirement that the server does not meet.
  returned: success
  type: list
  elements: str
diff:
  description: The served adapters before and after.
  returned: success
  type: dict
findings:
  description:
    - The findings of M(sovereign.vllm.vllm_server_info), if C(drift_audit_findings) is set.
    - C(boot_file_differs) says that the server will not start with the declared adapters.
    - C(directory_gone) says that the server lists an adapter whose directory is no longer on the node.
    - C(stale_prefix_cache) says that an adapter has the recorded weights, but prompts that were seen before are still answered
      from other weights. C(adapter_does_not_answer) says that an adapter could not be measured, because it gave no answer.
  returned: if the server answered
  type: list
  elements: dict
  sample:
    - id: boot_file_differs
      severity: medium
      message: /etc/vllm/lora.env does not start the server with the declared adapters.
      fix: Run the role sovereign.vllm.lora, which writes the boot file.
notes:
  description: Sentences about what was measured, and about adapters whose weights or directories could not be checked.
  returned: if the server answered
  type: list
  elements: str
  sample: ["The weights of 'summaries' were not compared, since no fingerprint was recorded."]
server_info:
  description: The result of M(sovereign.vllm.vllm_server_info), if C(drift_audit_findings) is set.
  returned: if the server answered
  type: dict
msg:
  description: The error.
  returned: on failure
  type: str
error:
  description: The error for playbooks, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
  returned: on failure
  type: dict
"""
