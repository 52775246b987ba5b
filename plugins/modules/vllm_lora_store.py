#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_lora_store
short_description: Remove versions of staged LoRA adapters that no server lists
version_added: 1.0.0
description:
  - Keeps every version that a server lists and the newest other versions that M(sovereign.vllm.vllm_lora_artifact) has
    staged, and removes the rest. The newest version is the one that was staged, or found by that module, last.
  - The module does not touch other directories, links or files in the store.
extends_documentation_fragment:
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.write
options:
  store:
    description: Directory on the node that holds the adapters.
    type: path
    required: true
  names:
    description: Names of the adapters whose versions may be removed.
    type: list
    elements: str
    required: true
  roots:
    description:
      - The paths that any server which reads from this store lists, or listed a moment ago, such as
        RV(sovereign.vllm.vllm_base_model_info#module:roots) of each server. These versions are kept.
      - A server may have the store under another path. A root that ends in the directory of an adapter and a version, or
        leads through them, is one of that version.
    type: list
    elements: str
    required: true
  keep:
    description: Number of other versions to keep of each adapter.
    type: int
    default: 2
notes:
  - If a server needs an evicted adapter and its directory is gone, the server crashes. Do not use this module while a
    server that can read from the store does not answer. P(sovereign.vllm.lora_store_hosts#filter) finds these servers.
seealso:
  - module: sovereign.vllm.vllm_lora_artifact
  - module: sovereign.vllm.vllm_base_model_info
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
# The host has the variable vllm_base_url.
- name: Read the list of models
  sovereign.vllm.vllm_base_model_info:
  register: served

- name: Keep the last two versions of each adapter
  sovereign.vllm.vllm_lora_store:
    store: /srv/lora
    names: [sql, support-de]
    roots: "{{ served.roots }}"
"""

RETURN = r"""
removed:
  description: The versions that were removed. In check mode, those that would be.
  returned: success
  type: list
  elements: str
  sample: [/srv/lora/sql/90be11c2a7d4]
kept:
  description: The remaining versions.
  returned: success
  type: list
  elements: str
  sample: [/srv/lora/sql/4f2a9c01d7be]
diff:
  description: The versions in the store, before and after.
  returned: success
  type: dict
msg:
  description: The error.
  returned: on failure
  type: str
  sample: "/srv/lora/sql/90be11c2a7d4 cannot be removed: Permission denied; check that the disk has room, that the user of
    the task may write there, and whether the task needs become."
error:
  description: The error for playbooks, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
  returned: on failure
  type: dict
  sample:
    code: store_error
    http_status: null
    detail: ""
    hint: check that the disk has room, that the user of the task may write there, and whether the task needs become
    retryable: false
"""

from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.removal import LoraStore
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.operation import run_module


def main() -> None:
    run_module(LoraStore())


if __name__ == "__main__":
    main()
