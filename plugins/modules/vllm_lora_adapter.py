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
  - In check mode it tells what has drifted, and sends nothing that writes.
  - A server that does not answer is UNREACHABLE. That an adapter is absent is believed only from a well-formed list
    of models.
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
    P(sovereign.vllm.lora_adapters#role).
  - Never change or remove a directory that a server lists as C(root), or listed a moment ago. vLLM reads an adapter
    that it has evicted from there again, and dies when it is gone.
  - An adapter whose artifact has changed is best given a new name. This is right on all releases, since the prefix
    cache of vLLM can answer from old prefixes when other weights come under a name that it knows.
  - That an adapter is absent from the list of a server older than 0.7.0 proves nothing. Such a server is refused when
    something is to change.
seealso:
  - module: sovereign.vllm.vllm_base_model_info
  - module: sovereign.vllm.vllm_server_info
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Serve an adapter
  sovereign.vllm.vllm_lora_adapter:
    base_url: http://127.0.0.1:8000
    name: sql
    path: /srv/adapters/sql/4f2a9c01d7be
    base_model: tiny

- name: Show what has drifted, and change nothing
  sovereign.vllm.vllm_lora_adapter:
    base_url: http://127.0.0.1:8000
    name: sql
    path: /srv/adapters/sql/4f2a9c01d7be
  check_mode: true
  diff: true

- name: Load it anew because the files were overwritten
  sovereign.vllm.vllm_lora_adapter:
    base_url: http://127.0.0.1:8000
    name: sql
    path: /srv/adapters/sql/4f2a9c01d7be
    state: reloaded

- name: Stop serving it
  sovereign.vllm.vllm_lora_adapter:
    base_url: http://127.0.0.1:8000
    name: sql
    state: absent
"""

RETURN = r"""
action:
  description: What was done, or tried where it failed, or in check mode would be done.
  returned: always, unless nothing could be tried or the server went away
  type: str
  sample: load
  choices: [none, load, reload, replace, unload]
drift:
  description: How the server differed from the declaration. With O(state=reloaded), V(none) if it was served from the same path.
  returned: always, unless nothing could be tried or the server went away
  type: str
  sample: missing
  choices: [none, missing, path, base_model, unexpected]
adapter:
  description: The adapter as it is served now, or in check mode would be. Empty if it is not.
  returned: always, unless nothing could be tried or the server went away
  type: dict
  contains:
    name:
      description: Name under which requests ask for it.
      type: str
      sample: sql
    id:
      description: Its identifier in the list of models, which is its name.
      type: str
      sample: sql
    path:
      description: Directory it is served from, normalised.
      type: str
      sample: /srv/adapters/sql/4f2a9c01d7be
    root:
      description: The same as the server lists it.
      type: str
      sample: /srv/adapters/sql/4f2a9c01d7be/
    parent:
      description: Base model that the server lists for it, which is the first of its names.
      type: str
      sample: tiny
    base_model:
      description: O(base_model) if it was given, or else the same as RV(adapter.parent).
      type: str
      sample: tiny
cache_risk:
  description: Whether prompts seen before can still be answered from the old weights. A warning says why.
  returned: always, unless nothing could be tried or the server went away
  type: bool
  sample: false
diff:
  description: What was served before and is served after, as YAML.
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
  description: What was tried, where, what came back, and what to do.
  returned: on failure
  type: str
  sample: "Could not read what is served at http://edge1:8000/v1/models: the connection was refused; check that the
    server runs and that the address is right; nothing is known about what it serves."
error:
  description: The failure for machines, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
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
