#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_lora_directory_info
short_description: Check whether the directories of LoRA adapters are still there
version_added: 1.0.0
description:
  - Tells for each directory whether C(adapter_config.json) is still in it. The module reads no weights, so it is quick.
    M(sovereign.vllm.vllm_lora_artifact_info) checks a whole artifact.
  - A server that lists an adapter reads its directory again when it has evicted the adapter from its memory. If the directory is
    gone then, the server crashes.
  - M(sovereign.vllm.vllm_audit) runs this module on the node.
extends_documentation_fragment:
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.info
options:
  paths:
    description: Directories on the host that runs the module, taken as they are. The server may have them under other paths, for
      example in a container.
    type: list
    elements: str
    required: true
seealso:
  - module: sovereign.vllm.vllm_base_model_info
  - module: sovereign.vllm.vllm_lora_artifact_info
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
# The host has the variable vllm_base_url, and the server runs on the host.
- name: Read the list of models
  sovereign.vllm.vllm_base_model_info:
  register: served

- name: Look for the directories of the adapters
  sovereign.vllm.vllm_lora_directory_info:
    paths: "{{ served.roots }}"
  register: looked

- name: Fail if a directory is gone
  ansible.builtin.assert:
    that: looked.directories | selectattr('state', 'equalto', 'gone') | list | length == 0
"""

RETURN = r"""
directories:
  description: One entry for each of O(paths), in the same order.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The directory.
      type: str
      sample: /srv/lora/sql/4f2a9c01d7be
    state:
      description: V(present) if C(adapter_config.json) is in the directory. V(gone) if the file or the directory is missing.
        V(unreadable) if the user of the task cannot find that out.
      type: str
      choices: [present, gone, unreadable]
      sample: present
    detail:
      description: The reason for V(unreadable), otherwise empty.
      type: str
      sample: ""
"""

from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.directories import LoraDirectoryInfo
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.operation import run_module


def main() -> None:
    run_module(LoraDirectoryInfo())


if __name__ == "__main__":
    main()
