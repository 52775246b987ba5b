#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_lora_adapters
short_description: Declare all LoRA adapters of a running vLLM server
version_added: 1.0.0
description:
  - Brings all adapters of one server to what is declared. What is as declared costs one request.
  - One adapter that fails does not stop the others. What can converge does, then the task fails and lists every
    failure.
  - In check mode it tells what has drifted, and sends nothing that writes.
  - The server needs C(--enable-lora), and E(VLLM_ALLOW_RUNTIME_LORA_UPDATING) set to V(True) in its environment.
extends_documentation_fragment:
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.write
  - sovereign.vllm._attributes.actiongroup
  - sovereign.vllm._connection
  - sovereign.vllm._pruning
  - sovereign.vllm._connection.shared
  - sovereign.vllm._connection.write
options:
  adapters:
    description:
      - The adapters that are declared, each name once.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name under which requests ask for the adapter. It must not be the name of a base model.
        type: str
        required: true
        aliases: [lora_name]
      path:
        description:
          - Directory of the adapter on the node, as the server sees it. Required unless O(adapters[].state=absent).
          - It must be absolute unless O(adapters[].allow_hub=true).
        type: str
        aliases: [lora_path]
      base_model:
        description: Name of a base model that the server has to serve, or nothing is written at all.
        type: str
        aliases: [base_model_name]
      is_3d_lora_weight:
        description: Whether mixture-of-experts weights are laid out in three dimensions. It takes effect at the next
          load.
        type: bool
        default: false
      allow_hub:
        description: Whether O(adapters[].path) may be relative, which vLLM takes for the name of a repository on a
          model hub.
        type: bool
        default: false
      state:
        description:
          - V(present) serves the adapter from O(adapters[].path).
          - V(reloaded) does the same and always loads it anew.
          - V(absent) unloads it.
        type: str
        choices: [present, absent, reloaded]
        default: present
notes:
  - Never change or remove a directory that a server lists as C(root), or listed a moment ago. vLLM reads an adapter
    that it has evicted from there again, and dies when it is gone.
seealso:
  - module: sovereign.vllm.vllm_lora_adapter
  - module: sovereign.vllm.vllm_base_model_info
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Serve exactly these adapters
  sovereign.vllm.vllm_lora_adapters:
    base_url: http://127.0.0.1:8000
    adapters:
      - name: sql
        path: /srv/adapters/sql/4f2a9c01d7be
        base_model: tiny
      - name: summaries
        path: /srv/adapters/summaries/90be11c2a7d4
    prune: true
    prune_exclude: ["tenant-*"]
    prune_limit: 2

- name: Audit the node without changing it
  sovereign.vllm.vllm_lora_adapters:
    base_url: http://127.0.0.1:8000
    adapters:
      - name: sql
        path: /srv/adapters/sql/4f2a9c01d7be
    prune: true
  check_mode: true
  diff: true
  register: audit
"""

RETURN = r"""
adapters:
  description: One entry for each adapter that is listed or pruned.
  returned: always, unless nothing could be tried or the server went away
  type: list
  elements: dict
  contains:
    name:
      description: Name of the adapter.
      type: str
      sample: sql
    action:
      description: What was done, or tried where it failed, or in check mode would be done.
      type: str
      choices: [none, load, reload, replace, unload]
      sample: load
    drift:
      description: How the server differed from the declaration.
      type: str
      choices: [none, missing, path, base_model, unexpected]
      sample: missing
    path:
      description: Directory it is served from now, normalised, or in check mode would be. Null if it is not served.
      type: str
      sample: /srv/adapters/sql/4f2a9c01d7be
    root:
      description: The same as the server lists it.
      type: str
      sample: /srv/adapters/sql/4f2a9c01d7be/
    parent:
      description: Base model that the server lists for it.
      type: str
      sample: tiny
    before:
      description: What was served under this name before the task, with C(path), C(root) and C(parent). Null for nothing.
      type: dict
      sample:
        path: /srv/adapters/sql/90be11c2a7d4
        root: /srv/adapters/sql/90be11c2a7d4
        parent: tiny
    error:
      description: Why it failed, with the keys of RV(error) and C(msg). Null if it did not.
      type: dict
summary:
  description: Number of adapters by drift.
  returned: always, unless nothing could be tried or the server went away
  type: dict
  sample: {none: 18, missing: 1, path: 1, base_model: 0, unexpected: 0}
version:
  description: Version of the server. Null if it did not have to be asked for it, because nothing has to change, or if a proxy hides it.
  returned: always, unless nothing could be tried or the server went away
  type: str
  sample: 0.32.0
cache_risk:
  description: Whether prompts seen before can still be answered from old weights. A warning says why.
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
  description: The failure for machines.
  returned: on failure
  type: dict
  contains:
    code:
      description: What kind of failure it is. The R(errors guide,ansible_collections.sovereign.vllm.docsite.errors_guide) has all codes.
      type: str
      sample: artifact_not_found
    http_status:
      description: Status of the answer, or null if there was none.
      type: int
      sample: 404
    detail:
      description: The server's own words, at most 2 kB.
      type: str
      sample: "Loading lora sql failed: No adapter found for /srv/adapters/sql"
    hint:
      description: What to do.
      type: str
      sample: check that the path exists on the node, as seen from inside the server's container
    retryable:
      description: Whether the same task can succeed later without anybody changing anything.
      type: bool
      sample: false
"""

from ansible_collections.sovereign.vllm.plugins.module_utils._operations.operation import run_module
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.vllm_lora_adapters import LoraAdapters


def main() -> None:
    run_module(LoraAdapters())


if __name__ == "__main__":
    main()
