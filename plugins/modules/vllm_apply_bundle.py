#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_apply_bundle
short_description: Apply a bundle at its site
version_added: 1.0.0
description:
  - The playbook C(sovereign.vllm.apply_bundle) uses this module. Other playbooks should not use it, since its options can change
    with any release.
  - Verifies the signature, the node, the serial and every file of the bundle before any server is asked.
  - Stages the artifacts, runs the playbooks C(sovereign.vllm.converge) and C(sovereign.vllm.drift_audit) for the servers of the node,
    and writes a signed result.
  - If the servers cannot be converged, they serve again what they served before, and the former declaration stays.
  - In check mode, the module only verifies the bundle.
  - The module needs no network and no other machine.
extends_documentation_fragment:
  - sovereign.vllm._attributes.controller
  - sovereign.vllm._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  bundle:
    description: Directory of the bundle.
    type: str
  directory:
    description: Directory of the site. If not set, it is C(/var/lib/sovereign_vllm).
    type: str
  node:
    description: Name of this node. It is needed once. Then the ledger of the site has it.
    type: str
  result_directory:
    description: Directory for a copy of the result. If not set, it is the directory that holds the bundle.
    type: str
  result_key:
    description: File with the private key of the site, which signs the result.
    type: str
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Apply the bundle
  sovereign.vllm.vllm_apply_bundle:
    bundle: /media/usb/bundle-edge1-20261128120000
    result_key: /etc/sovereign_vllm/site_key
"""

RETURN = r"""
outcome:
  description: V(applied) or V(taken_back). V(checked) in check mode.
  returned: if the bundle was accepted
  type: str
  choices: [applied, taken_back, checked]
node:
  description: Name of the node.
  returned: if the bundle was accepted
  type: str
serial:
  description: Serial of the bundle.
  returned: if the bundle was accepted
  type: int
hosts:
  description: Names of the hosts in the bundle.
  returned: if the bundle was accepted
  type: list
  elements: str
signer:
  description: Name of the signer among the allowed signers.
  returned: if the bundle was accepted
  type: str
staged:
  description: New directories in the store.
  returned: if the bundle was accepted and not check mode
  type: list
  elements: str
result:
  description: Directory of the result.
  returned: if the bundle was accepted and not check mode
  type: str
output:
  description: The last lines of the rollout.
  returned: if the bundle was taken back
  type: list
  elements: str
msg:
  description: Summary of what was done, or the error with the problem and the advice.
  returned: always
  type: str
error:
  description: The error for playbooks, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
  returned: on failure
  type: dict
"""
