#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_agent_node
short_description: Find out what the agent of a node needs to know
version_added: 1.0.0
description:
  - The role P(sovereign.vllm.agent#role) reads its node with this module. Other playbooks should not use it, since its options can
    change with any release.
  - Finds the hosts of the inventory that are servers of the same node, by C(bundle_node), by default C(ansible_host) or the name
    of the host. Returns the paths that the agent writes to, and the declaration of all these hosts as an inventory for the node.
  - The module runs on the controller and contacts no host.
extends_documentation_fragment:
  - sovereign.vllm._attributes.controller
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.info
options:
  settings:
    description: The settings of the role, as M(sovereign.vllm.vllm_role_settings) returns them.
    type: dict
    required: true
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Read the variables of the role
  sovereign.vllm.vllm_role_settings:
    role: agent
  register: agent_read

- name: Read the node
  sovereign.vllm.vllm_agent_node:
    settings: "{{ agent_read.settings }}"
"""

RETURN = r"""
node:
  description: Name of the node.
  returned: success
  type: str
  sample: edge001
hosts:
  description: The hosts of the inventory that have a declaration and are servers of this node.
  returned: success
  type: list
  elements: str
  sample: [edge001]
is_first:
  description: Whether this host is the first host of the play on this node. The role does its work once for each node.
  returned: success
  type: bool
write_paths:
  description: The directories of the node that the agent writes to, apart from its own.
  returned: success
  type: list
  elements: str
  sample: [/srv/lora]
wait:
  description: How many seconds a run waits for a server that does not answer.
  returned: success
  type: int
  sample: 600
inventory:
  description: The inventory of the node, as YAML. It is empty if bundles bring it.
  returned: success
  type: str
msg:
  description: "The error: the variable, the problem and the advice."
  returned: on failure
  type: str
error:
  description: The error for playbooks, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
  returned: on failure
  type: dict
"""
