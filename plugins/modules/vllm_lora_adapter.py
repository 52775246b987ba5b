#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_lora_adapter
short_description: Declare one LoRA adapter of a running vLLM server
version_added: 1.0.0
description:
  - Loads, reloads or unloads a LoRA adapter over the HTTP API of a vLLM server, 0.7.0 or later.
  - In check mode, the module reports drift and sends no request that writes.
  - A server that does not answer is UNREACHABLE. The module takes an adapter for absent only if a well-formed list of
    models does not have it.
  - The server needs C(--enable-lora), and E(VLLM_ALLOW_RUNTIME_LORA_UPDATING) set to V(True) in its environment.
extends_documentation_fragment:
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.write
  - sovereign.vllm._attributes.actiongroup
  - sovereign.vllm._connection
  - sovereign.vllm._connection.shared
  - sovereign.vllm._connection.write
  - sovereign.vllm._connection.adapter
notes:
  - vLLM forgets adapters loaded at run time when it restarts. Run the task again, or see the role
    P(sovereign.vllm.lora#role).
  - Never change or remove a directory that a server lists as C(root), or listed a moment ago. When vLLM needs an evicted
    adapter, it reads the directory again, and crashes if the directory is gone.
  - If the artifact of an adapter changes, give the adapter a new name. If other weights get a known name, the prefix cache
    of vLLM can still answer from old prefixes. A new name is right on all releases.
  - A server older than 0.7.0 does not list every adapter. The module refuses such a server if something has to change.
seealso:
  - module: sovereign.vllm.vllm_base_model_info
  - module: sovereign.vllm.vllm_server_info
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
# The host has the variable vllm_base_url, and vllm_api_key or vllm_api_key_env if its server has a key.
- name: Serve an adapter
  sovereign.vllm.vllm_lora_adapter:
    name: sql
    path: /srv/adapters/sql/4f2a9c01d7be
    base_model: tiny

- name: Show the drift of an adapter, and change nothing
  sovereign.vllm.vllm_lora_adapter:
    name: sql
    path: /srv/adapters/sql/4f2a9c01d7be
  check_mode: true
  diff: true

- name: Load an adapter again whose files were overwritten
  sovereign.vllm.vllm_lora_adapter:
    name: sql
    path: /srv/adapters/sql/4f2a9c01d7be
    state: reloaded

- name: Unload the adapter
  sovereign.vllm.vllm_lora_adapter:
    name: sql
    state: absent
"""

RETURN = r"""
action:
  description: The action that the module took. If the action failed, the attempt. In check mode, the action that it would take.
  returned: always, unless nothing could be tried or the server went away
  type: str
  sample: load
  choices: [none, load, reload, replace, unload]
drift:
  description: The difference between the server and the declaration. With O(state=reloaded), V(none) if the path was the same.
  returned: always, unless nothing could be tried or the server went away
  type: str
  sample: missing
  choices: [none, missing, path, base_model, unexpected]
adapter:
  description: The adapter after the task, or in check mode the predicted one. Empty if it is not served.
  returned: always, unless nothing could be tried or the server went away
  type: dict
  contains:
    name:
      description: Name by which requests choose the adapter.
      type: str
      sample: sql
    id:
      description: Identifier of the adapter in the list of models, which is its name.
      type: str
      sample: sql
    path:
      description: Directory of the adapter, normalised.
      type: str
      sample: /srv/adapters/sql/4f2a9c01d7be
    root:
      description: Directory of the adapter as the server lists it.
      type: str
      sample: /srv/adapters/sql/4f2a9c01d7be/
    parent:
      description: Base model that the server lists for the adapter, by the first name of the base model.
      type: str
      sample: tiny
    base_model:
      description: O(base_model) if it is set, otherwise RV(adapter.parent).
      type: str
      sample: tiny
cache_risk:
  description: V(true) if vLLM can still answer known prompts from the old weights. A warning says why.
  returned: always, unless nothing could be tried or the server went away
  type: bool
  sample: false
diff:
  description: The adapters of the server before and after the task, as YAML.
  returned: always, unless nothing could be tried or the server went away
  type: dict
  sample:
    before_header: served before
    after_header: served after
    before: |
      adapters: []
    after: |
      adapters:
        - name: sql
          path: /srv/adapters/sql/4f2a9c01d7be
          parent: tiny
leftovers:
  description: Names of the adapters of which an interrupted run left a rehearsal. The module unloads such a rehearsal.
  returned: always, unless nothing could be tried or the server went away
  type: list
  elements: str
  sample: []
msg:
  description: "The error: the attempt, the address, the problem and the advice."
  returned: on failure
  type: str
  sample: "Could not read what is served at http://edge1:8000/v1/models: the connection was refused; check that the
    server runs and that the address is right; nothing is known about what it serves."
error:
  description: The error for playbooks, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
  returned: on failure
  type: dict
  sample:
    code: artifact_not_found
    http_status: 404
    detail: "Loading lora sql failed: No adapter found for /srv/adapters/sql"
    hint: check that the path exists on the node, as seen from inside the server's container
    retryable: false
"""

from ansible_collections.sovereign.vllm.plugins.module_utils._operations.operation import run_module
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.vllm_lora_adapter import LoraAdapter


def main() -> None:
    run_module(LoraAdapter())


if __name__ == "__main__":
    main()
