#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_fingerprints
short_description: Read and record the fingerprints of the adapters of a host
version_added: 1.0.0
description:
  - The role P(sovereign.vllm.lora#role) uses this module. Other playbooks should not use it, since its options can change with
    any release.
  - Each host has one file in O(directory), C(<host>.json). It holds the fingerprints that M(sovereign.vllm.vllm_smoke_test)
    returned, by the names under which the adapters are served. The directory can be in a checkout of git.
  - With O(taken), the module records fingerprints after a rollout. A recorded fingerprint stays while the adapter has the same
    path, base model and release. So the files change only with their adapters and servers.
  - With O(restore), the file gets exactly these fingerprints. Without O(taken) and O(restore), the module only reads.
  - The module runs on the controller and contacts no host.
extends_documentation_fragment:
  - sovereign.vllm._attributes.controller
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.write
options:
  directory:
    description: Directory on the controller, relative to where the playbook is started. A missing directory is created.
    type: str
    required: true
  adapters:
    description: The declared adapters, as the role takes them. The recorded fingerprint of an adapter with C(path) and
      C(state=reloaded) does not count, since such a declaration loads new content of the directory.
    type: list
    elements: dict
    default: []
  served_names:
    description: The served name of each adapter, by its declared name. Fingerprints of other names are removed.
    type: dict
    default: {}
  taken:
    description: Fingerprints to record, as RV(sovereign.vllm.vllm_smoke_test#module:fingerprints).
    type: dict
  restore:
    description: All fingerprints of the host, as RV(recorded) of an earlier task.
    type: dict
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Read the recorded fingerprints
  sovereign.vllm.vllm_fingerprints:
    directory: fingerprints
  register: lora_recorded
"""

RETURN = r"""
recorded:
  description: All fingerprints that the file of the host had before this task.
  returned: success
  type: dict
expect:
  description: Those that count, for O(sovereign.vllm.vllm_smoke_test#module:expect).
  returned: success
  type: dict
file:
  description: The file of the host.
  returned: success
  type: str
  sample: /srv/fleet/fingerprints/edge001.json
msg:
  description: "The error: the file, the problem and the advice."
  returned: on failure
  type: str
  sample: "'/srv/fleet/fingerprints/edge001.json' has no usable fingerprints; restore the file, or remove it to record new fingerprints."
error:
  description: The error for playbooks, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
  returned: on failure
  type: dict
"""
