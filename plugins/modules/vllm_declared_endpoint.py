#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_declared_endpoint
short_description: Turn the variables of a host into an endpoint of the event source
version_added: 1.0.0
description:
  - The playbook C(sovereign.vllm.declaration) uses this module. Other playbooks should not use it, since its options can change
    with any release.
  - Reads the variables C(lora_*) and C(vllm_*) of the host. Each adapter gets its path, also if it is declared by C(src) or
    C(digest).
  - Fails for a host with a key in C(vllm_api_key), since the result must not hold a key. The name of an environment variable in
    C(vllm_api_key_env) is right.
  - The module asks no server. It asks the node only for the digest of an artifact that the controller does not know.
extends_documentation_fragment:
  - sovereign.vllm._attributes.controller
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.info
options: {}
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Resolve the declaration of the host
  sovereign.vllm.vllm_declared_endpoint:
  register: lora_declared
"""

RETURN = r"""
endpoint:
  description: Entry of the declaration file. Null if the host has no C(lora_adapters).
  returned: success
  type: dict
  sample:
    name: edge001
    base_url: http://edge001:8000
    api_key_env: EDGE001_KEY
    adapters: [{name: sql, path: /srv/lora/sql/4f2a9c01d7be}]
msg:
  description: "The error: the variable, the problem and the advice."
  returned: on failure
  type: str
error:
  description: The error for playbooks, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
  returned: on failure
  type: dict
"""
