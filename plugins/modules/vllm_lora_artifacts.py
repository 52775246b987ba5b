#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_lora_artifacts
short_description: Stage the artifacts of all adapters of a node
version_added: 1.0.0
description:
  - Does the work of M(sovereign.vllm.vllm_lora_artifact) for all adapters of a declaration. That module describes the store, the
    checks and the sources.
  - A loop over that module starts a Python process on the node for each adapter. If the store has the declared versions, this
    module needs one for all of them.
  - An artifact that cannot be staged does not keep back the other ones. The task fails in the end, and its message has one sentence
    for each.
  - The role P(sovereign.vllm.lora#role) uses this module.
extends_documentation_fragment:
  - sovereign.vllm._trust
  - sovereign.vllm._staging
  - ansible.builtin.files
  - sovereign.vllm._sources
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.write
requirements:
  - requests, on the machine that downloads, if the source of an artifact is an address
attributes:
  async:
    support: none
    details: Files are copied from the controller during the task.
options:
  adapters:
    description:
      - The declared adapters, as O(sovereign.vllm.lora#role:main:lora_adapters). The keys C(src), C(digest), C(remote_src) and C(checksum)
        are those of M(sovereign.vllm.vllm_lora_artifact). C(trained_for) is its O(sovereign.vllm.vllm_lora_artifact#module:base_model).
      - Adapters with C(path) or with C(state=absent) are left out.
    type: list
    elements: dict
    required: true
seealso:
  - module: sovereign.vllm.vllm_lora_artifact
  - module: sovereign.vllm.vllm_lora_adapters
  - plugin: sovereign.vllm.lora_declaration
    plugin_type: filter
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Stage the adapters of the node
  sovereign.vllm.vllm_lora_artifacts:
    adapters:
      - name: support-de
        src: adapters/support-de.tar.gz
      - name: sql
        src: /srv/adapters/sql/4f2a9c01d7be
        remote_src: true
    store: /srv/lora
    max_rank: 32
  register: staged

# The host has the variable vllm_base_url.
- name: Serve the adapter of the node
  sovereign.vllm.vllm_lora_adapter:
    name: sql
    path: "{{ staged.artifacts[1].server_path }}"
"""

RETURN = r"""
artifacts:
  description: The result for each adapter that is declared by its artifact, in the order of the declaration.
  returned: success and failure
  type: list
  elements: dict
  contains:
    name:
      description: Name of the adapter.
      type: str
      sample: support-de
    changed:
      description: Whether something was staged, or its owner or mode was set.
      type: bool
      sample: true
    path:
      description: As RV(sovereign.vllm.vllm_lora_artifact#module:path).
      type: str
      sample: /srv/lora/support-de/4f1c3b0ad2f0
    server_path:
      description: As RV(sovereign.vllm.vllm_lora_artifact#module:server_path).
      type: str
      sample: /adapters/support-de/4f1c3b0ad2f0
    digest:
      description: As RV(sovereign.vllm.vllm_lora_artifact#module:digest).
      type: str
      sample: sha256:4f1c3b0ad2f0f1fdc3ab4b8d8f0c9f1b2b6c3e7d5a9e8f7c6b5a4d3c2b1a0f9e
    staged:
      description: As RV(sovereign.vllm.vllm_lora_artifact#module:staged).
      type: bool
      sample: true
    signature:
      description: As RV(sovereign.vllm.vllm_lora_artifact#module:signature).
      type: dict
    msg:
      description: The error, if this artifact could not be staged.
      type: str
    error:
      description: The error for playbooks, if this artifact could not be staged.
      type: dict
diff:
  description: The versions of each adapter in the store, before and after.
  returned: success
  type: list
  elements: dict
msg:
  description: The errors, one sentence for each artifact that could not be staged.
  returned: on failure
  type: str
  sample: "Could not stage adapter 'sql' from '/media/usb/sql.zip': The archive holds 'weights', which is a link: pack the
    files themselves."
error:
  description: The first error for playbooks, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
  returned: on failure
  type: dict
  sample:
    code: artifact_invalid
    http_status: null
    detail: ""
    hint: correct what the message names, or use another artifact
    retryable: false
"""

from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.operations import LoraArtifacts
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.operation import run_module


def main() -> None:
    run_module(LoraArtifacts())


if __name__ == "__main__":
    main()
