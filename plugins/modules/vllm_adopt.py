#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_adopt
short_description: Write what a vLLM server serves into the inventory, as its declaration
version_added: 1.0.0
description:
  - The playbook C(sovereign.vllm.adopt) writes with this module. Other playbooks should not use it, since its options can change
    with any release.
  - Writes C(host_vars/<host>/lora_adapters.yml) with the variable C(lora_adapters). Its comments say what the server does not
    tell.
  - Writes nothing if the host has a declaration, unless O(overwrite=true).
  - Fails if the file C(host_vars/<host>.yml) exists. Ansible would ignore it beside the directory C(host_vars/<host>).
  - The module runs on the controller and contacts no host.
extends_documentation_fragment:
  - sovereign.vllm._attributes.controller
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.write
options:
  observed:
    description: Result of M(sovereign.vllm.vllm_base_model_info). The module fails if that task did not see the server.
    type: dict
    required: true
  directory:
    description: Directory in which C(host_vars) is. By default the directory of the first inventory source that is a file or a
      directory.
    type: str
  overwrite:
    description: Whether to replace a declaration.
    type: bool
    default: false
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: List what the site serves
  sovereign.vllm.vllm_base_model_info:
  register: adopt_observed

- name: Write the declaration of the site
  sovereign.vllm.vllm_adopt:
    observed: "{{ adopt_observed }}"
"""

RETURN = r"""
outcome:
  description: V(adopted) if the file has the declaration, or would have it without check mode. V(kept) if the host has another
    declaration.
  returned: success
  type: str
  choices: [adopted, kept]
  sample: adopted
file:
  description: Path of the file on the controller.
  returned: success
  type: str
  sample: /srv/fleet/host_vars/edge001/lora_adapters.yml
adapters:
  description: The declaration of what the server serves, as P(sovereign.vllm.lora_declared_from#filter) returns it.
  returned: success
  type: list
  elements: dict
  sample: [{name: sql, path: /srv/adapters/sql/4f2a9c01d7be, base_model: tiny}]
left_out:
  description: One sentence for each adapter that is served and cannot be declared.
  returned: success
  type: list
  elements: str
  sample: ["'tiny' is left out: a base model of the server has this name."]
unknown:
  description: One sentence for each fact that no server tells about its adapters. Empty if the server has no adapter.
  returned: success
  type: list
  elements: str
msg:
  description: Summary of what was done, or the error with the problem and the advice.
  returned: always
  type: str
  sample: "edge001: 3 adapters in /srv/fleet/host_vars/edge001/lora_adapters.yml, which was written."
error:
  description: The error for playbooks, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
  returned: on failure
  type: dict
"""
