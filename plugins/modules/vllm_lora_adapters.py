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
  - Loads, reloads and unloads adapters of one server until they match the declaration. If nothing has to change, the module
    sends one request.
  - If one adapter fails, the others are still processed. The task then fails and lists every error.
  - In check mode, the module reports drift and sends no request that writes.
  - The server needs C(--enable-lora), and E(VLLM_ALLOW_RUNTIME_LORA_UPDATING) set to V(True) in its environment.
extends_documentation_fragment:
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.write
  - sovereign.vllm._attributes.actiongroup
  - sovereign.vllm._connection
  - sovereign.vllm._pruning
  - sovereign.vllm._requirements
  - sovereign.vllm._revocation
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
        description: Name by which requests choose the adapter. It must not be the name of a base model.
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
        description: Name of a base model that the server must serve. Otherwise the module writes nothing at all.
        type: str
        aliases: [base_model_name]
      is_3d_lora_weight:
        description: Whether to load mixture-of-experts weights as three-dimensional. The option takes effect at the next
          load.
        type: bool
        default: false
      allow_hub:
        description: Whether to allow a relative O(adapters[].path). vLLM takes a relative path for the name of a repository
          on a model hub.
        type: bool
        default: false
      state:
        description:
          - V(present) serves the adapter from O(adapters[].path).
          - V(reloaded) does the same and always loads the adapter again.
          - V(absent) unloads the adapter.
        type: str
        choices: [present, absent, reloaded]
        default: present
  expect_plan:
    description:
      - The only plan to carry out, as RV(plan_id) of an audit. If the server or the declaration has changed since, the plan is
        another one. Then the task fails with the code V(plan_changed) before anything is written, in check mode too.
      - A plan is of one server. It depends on the models and adapters that the server lists, and on the decision for each adapter.
    type: str
notes:
  - Never change or remove a directory that a server lists as C(root), or listed a moment ago. When vLLM needs an evicted
    adapter, it reads the directory again, and crashes if the directory is gone.
seealso:
  - module: sovereign.vllm.vllm_lora_adapter
  - module: sovereign.vllm.vllm_base_model_info
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
# The host has the variable vllm_base_url, and vllm_api_key or vllm_api_key_env if its server has a key.
- name: Serve exactly these adapters
  sovereign.vllm.vllm_lora_adapters:
    adapters:
      - name: sql
        path: /srv/adapters/sql/4f2a9c01d7be
        base_model: tiny
      - name: summaries
        path: /srv/adapters/summaries/90be11c2a7d4
    prune: true
    prune_exclude: ["tenant-*"]
    prune_limit: 2

- name: Audit the node, and change nothing
  sovereign.vllm.vllm_lora_adapters:
    adapters:
      - name: sql
        path: /srv/adapters/sql/4f2a9c01d7be
    prune: true
  check_mode: true
  diff: true
  register: audit

- name: Carry out the plan that the audit reported, and no other
  sovereign.vllm.vllm_lora_adapters:
    base_url: http://127.0.0.1:8000
    adapters:
      - name: sql
        path: /srv/adapters/sql/4f2a9c01d7be
    prune: true
    expect_plan: "{{ audit.plan_id }}"
"""

RETURN = r"""
verdict:
  description:
    - Verdict on the server as the task found it.
    - V(in_sync) if the server serves every declared adapter and no other, but for those in O(prune_exclude).
    - V(undeclared) if the server also serves adapters that are not declared, and O(prune=false).
    - V(drifted) if an adapter has a RV(adapters[].drift), or if the server does not meet O(requires).
    - V(unreachable) if there was no usable HTTP answer. V(failed) if the server could not be compared for another reason.
  returned: always, unless an option is refused before the module runs
  type: str
  choices: [drifted, unreachable, failed, undeclared, in_sync]
  sample: in_sync
plan_id:
  description: Identity of the plan, for O(expect_plan).
  returned: always, unless nothing could be tried or the server went away
  type: str
  sample: sha256:6f4d1ab5a0d5c4b8c9f1a63ae9de0c5f2c74f3b8dd0c4ffb7a1f4ff3d3b0a9e7
server:
  description: One sentence for each part of O(requires) that the server does not meet.
  returned: always, unless nothing could be tried or the server went away
  type: list
  elements: str
  sample: []
adapters:
  description: One entry for each adapter that is declared or served. A served adapter with the name of a base model has none.
  returned: always, unless nothing could be tried or the server went away
  type: list
  elements: dict
  contains:
    name:
      description: Name of the adapter.
      type: str
      sample: sql
    action:
      description: The action that the module took. If the action failed, the attempt. In check mode, the action that it would
        take.
      type: str
      choices: [none, load, reload, replace, unload]
      sample: load
    drift:
      description: The difference between the server and the declaration. V(server) for each declared adapter if the server does not
        meet O(requires). V(revoked) if the adapter is served or declared from a digest in O(revoked).
      type: str
      choices: [none, missing, path, base_model, unexpected, server, revoked]
      sample: missing
    declared:
      description: V(true) if the adapter is declared.
      type: bool
      sample: true
    excluded:
      description: V(true) if the adapter is not declared and O(prune_exclude) has its name.
      type: bool
      sample: false
    path:
      description: Directory of the adapter after the task, normalised, or in check mode the predicted one. Null if the adapter
        is not served.
      type: str
      sample: /srv/adapters/sql/4f2a9c01d7be
    root:
      description: The same directory as the server lists it.
      type: str
      sample: /srv/adapters/sql/4f2a9c01d7be/
    parent:
      description: Base model that the server lists for the adapter.
      type: str
      sample: tiny
    before:
      description: The adapter that had this name before the task, with C(path), C(root) and C(parent), or null.
      type: dict
      sample:
        path: /srv/adapters/sql/90be11c2a7d4
        root: /srv/adapters/sql/90be11c2a7d4
        parent: tiny
    error:
      description: The error of this adapter, with the keys of RV(error) and C(msg), or null.
      type: dict
summary:
  description: Number of adapters by drift.
  returned: always, unless nothing could be tried or the server went away
  type: dict
  sample: {none: 18, missing: 1, path: 1, base_model: 0, unexpected: 0, server: 0, revoked: 0}
version:
  description: Version of the server. Null if a proxy hides the version. The module asks for the version only if something has to
    change or O(requires.version) is set, so it is null otherwise.
  returned: always, unless nothing could be tried or the server went away
  type: str
  sample: 0.32.0
cache_risk:
  description: V(true) if vLLM can still answer known prompts from old weights. A warning says why.
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
  description: The error for playbooks.
  returned: on failure
  type: dict
  contains:
    code:
      description: The kind of error. The R(errors guide,ansible_collections.sovereign.vllm.docsite.errors_guide) has all codes.
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
      description: Advice.
      type: str
      sample: check that the path exists on the node, as seen from inside the server's container
    retryable:
      description: V(true) if the same task can succeed later without a change.
      type: bool
      sample: false
"""

from ansible_collections.sovereign.vllm.plugins.module_utils._operations.operation import run_module
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.vllm_lora_adapters import LoraAdapters


def main() -> None:
    run_module(LoraAdapters())


if __name__ == "__main__":
    main()
