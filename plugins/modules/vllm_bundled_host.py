#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_bundled_host
short_description: Turn the variables of a host into its part of a bundle
version_added: 1.0.0
description:
  - The playbook C(sovereign.vllm.bundle) uses this module. Other playbooks should not use it, since its options can change with any
    release.
  - Reads the variables C(lora_*), C(vllm_*) and C(bundle_*) of the host, and resolves them.
  - Fails if a variable holds a key or names a file of headquarters that the site does not have.
  - The module runs on the controller and contacts no host.
extends_documentation_fragment:
  - sovereign.vllm._attributes.controller
  - sovereign.vllm._attributes
attributes:
  check_mode:
    support: full
    details: The module never changes anything.
  diff_mode:
    support: none
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Resolve the declaration of the host
  sovereign.vllm.vllm_bundled_host:
  register: bundle_resolved
"""

RETURN = r"""
host:
  description: What the module O(sovereign.vllm.vllm_bundle#module:hosts) takes. Null if the host has no C(lora_adapters).
  returned: success
  type: dict
error:
  description: The error for playbooks, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
  returned: on failure
  type: dict
"""
