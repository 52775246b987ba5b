#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_declaration_file
short_description: Write the declaration file of the event source
version_added: 1.0.0
description:
  - The playbook C(sovereign.vllm.declaration) writes with this module. Other playbooks should not use it, since its options can
    change with any release.
  - Writes the whole file at once, so that the event source never reads a part of it. Equal endpoints give an equal file.
  - The module runs on the controller and contacts no host.
extends_documentation_fragment:
  - sovereign.vllm._attributes.controller
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.write
options:
  file:
    description: Path of the file. It is JSON if its name ends in C(.json), otherwise YAML.
    type: str
  endpoints:
    description: The endpoints, as M(sovereign.vllm.vllm_declared_endpoint) returns them.
    type: list
    elements: dict
    required: true
  not_declared:
    description: Names of hosts without a declaration. The result names them.
    type: list
    elements: str
    default: []
  missing:
    description: Names of hosts that could not be resolved. If there is one, the module fails and leaves the file as it was,
      unless O(partial=true).
    type: list
    elements: str
    default: []
  partial:
    description: Whether to leave out the hosts in O(missing).
    type: bool
    default: false
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Resolve the declaration of the host
  sovereign.vllm.vllm_declared_endpoint:
  register: lora_declared

- name: Write the declaration file
  sovereign.vllm.vllm_declaration_file:
    file: /etc/vllm/declaration.yml
    endpoints: "{{ ansible_play_hosts | map('extract', hostvars, ['lora_declared', 'endpoint']) | select | list }}"
  run_once: true
"""

RETURN = r"""
file:
  description: Path of the file on the controller.
  returned: success
  type: str
  sample: /etc/vllm/declaration.yml
endpoints:
  description: Names of the endpoints in the file.
  returned: success
  type: list
  elements: str
  sample: [edge001, edge002]
msg:
  description: Summary of what was done, or the error with the problem and the advice.
  returned: always
  type: str
  sample: /etc/vllm/declaration.yml has 2 endpoints.
error:
  description: The error for playbooks, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
  returned: on failure
  type: dict
"""
