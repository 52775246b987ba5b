#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_smoke_test
short_description: See that adapters of a vLLM server answer, have an effect, and have the right weights
version_added: 1.0.0
description:
  - Sends each model one request for a completion of one token, and fails if a model does not answer. Even an adapter that the
    server lists can fail, because its files are gone or the engine is broken.
  - With O(differs_from_base), an adapter must also change the answers of its base model. vLLM can list and serve an adapter
    that changes nothing.
  - With O(fingerprint) and O(expect), the module recognises the weights that a server has in its memory.
    R(The guide,ansible_collections.sovereign.vllm.docsite.weights_guide) says what a fingerprint shows.
  - The module asks all models. The task then fails and lists every error. A server that does not answer at all is
    unreachable.
  - The module uses C(/v1/completions). If that route is off, it uses C(/v1/chat/completions), with the server's chat template.
notes:
  - The models must generate text. If the server only pools, and embeds or classifies, the code is C(no_completions). With
    O(differs_from_base), O(fingerprint) or O(expect), the module then only warns. It also only warns if the server gives no
    log-probabilities, and asks for one token.
  - "Requests of one model: 1 to see that it answers; 2 to 16 with O(differs_from_base), half of them to its base model; 2 for
    a fingerprint, and up to 6 if it is not as expected. Each request sends all O(prompts), by default about 70 tokens, and
    gets one token for each. By C(/v1/chat/completions), each prompt is a request. One more request reads the model list, and
    one the version."
  - No request asks for log-probabilities of the prompts themselves (C(prompt_logprobs)). With adapters, these kill vLLM's engine.
extends_documentation_fragment:
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.info
  - sovereign.vllm._attributes.actiongroup
  - sovereign.vllm._connection
  - sovereign.vllm._connection.shared
attributes:
  check_mode:
    details: In check mode, the module sends no request, since the models may not be served yet.
options:
  models:
    description: Names of adapters or base models.
    type: list
    elements: str
    required: true
  differs_from_base:
    description:
      - Whether to fail with C(adapter_without_effect) if an adapter answers O(prompts) as its base model does.
      - The module compares the log-probabilities of the most likely next tokens. It measures the base model as often as the
        adapter, in turn, so that noise of batches and GPUs is not taken for an effect.
      - A base model has no other model to differ from, and only has to answer.
    type: bool
    default: false
  fingerprint:
    description:
      - Whether to return RV(fingerprints), the log-probabilities of the next token of each of O(prompts). They follow from
        the weights in the server's memory.
      - The module asks once without and once with the prefix cache. If the two differ, it fails with C(stale_prefix_cache),
        because prompts that were seen before are still answered from other weights.
    type: bool
    default: false
  expect:
    description:
      - Fingerprints by name of the model, as RV(fingerprints) returned them earlier, here or on another server. The prompts
        of the fingerprint are used, not O(prompts).
      - The task fails with C(other_weights) if the answers differ by more than O(tolerance). Models without an entry are not
        compared. Other entries are ignored.
    type: dict
  expect_if:
    description:
      - V(always) compares each entry of O(expect).
      - V(same_origin) compares an entry only if the adapter still has its path, and the server its base model and its release.
        Other entries are ignored, since other weights or another release have other fingerprints.
    type: str
    choices: [always, same_origin]
    default: always
  tolerance:
    description:
      - Largest difference of two log-probabilities that counts as equal, in nats.
      - Equal weights give equal numbers on one machine in 32 bits. With 16 bits or less, batches make differences of some
        hundredths. Another kind of GPU and another release of vLLM can make larger ones.
    type: float
    default: 0.1
  warn_of:
    description:
      - Codes of failures that only give a warning here.
      - The role P(sovereign.vllm.lora#role) sets both, since a rollback cures neither of them.
    type: list
    elements: str
    choices: [no_completions, stale_prefix_cache]
    default: []
  prompts:
    description:
      - Texts whose next tokens are compared, 1 to 64. The default is a few sentences of several kinds.
      - Add a typical request if an adapter has an effect only on those, such as one that was trained for one form of document.
        If the first prompt is at least as long as a block of the prefix cache, which is 16 tokens on most GPUs, a stale
        prefix cache is found.
    type: list
    elements: str
    default:
      - The river flows through the valley, and the village stands on its left bank. In the morning the first boat leaves for
        the town, and in the evening it comes back with
      - "Question: What is the capital of France?\nAnswer:"
      - "def add(a, b):\n    return"
      - Dear customer, thank you for your message.
seealso:
  - module: sovereign.vllm.vllm_lora_adapters
  - module: sovereign.vllm.vllm_lora_artifact_info
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
# The host has the variable vllm_base_url, and vllm_api_key or vllm_api_key_env if its server has a key.
- name: Ask two adapters for a token
  sovereign.vllm.vllm_smoke_test:
    models: [sql, summaries]

- name: Require an effect of two adapters
  sovereign.vllm.vllm_smoke_test:
    base_url: http://127.0.0.1:8000
    models: [sql, summaries]
    differs_from_base: true

- name: Take the fingerprint of an adapter that was validated
  sovereign.vllm.vllm_smoke_test:
    base_url: http://127.0.0.1:8000
    models: [sql]
    fingerprint: true
  register: validated

- name: Compare the weights in the memory of the server
  sovereign.vllm.vllm_smoke_test:
    base_url: http://127.0.0.1:8000
    models: [sql]
    expect: "{{ validated.fingerprints }}"
"""

RETURN = r"""
answered:
  description: The models that answered. Empty in check mode.
  returned: always, unless nothing could be asked
  type: list
  elements: str
  sample: [sql, summaries]
effective:
  description: The adapters that change the answers of their base model. Empty in check mode.
  returned: if O(differs_from_base), unless nothing could be asked
  type: list
  elements: str
  sample: [sql]
fingerprints:
  description:
    - Fingerprints by name of the model, for O(expect). Empty in check mode, and without models that could not be measured.
  returned: if O(fingerprint) or O(expect), unless nothing could be asked
  type: dict
  contains:
    path:
      description: Path of the adapter in the model list, or null for a base model.
      type: str
    base_model:
      description: Name of the base model.
      type: str
    root:
      description: Root of the base model in the model list, such as its name on a hub.
      type: str
    version:
      description: Version of the server, or null if a proxy hides the version.
      type: str
    route:
      description: Route that was asked, since a chat template changes the prompts.
      type: str
    prompts:
      description: The prompts that were sent.
      type: list
      elements: str
    logprobs:
      description: For each prompt the log-probabilities of the 5 most likely next tokens, by token, without the prefix cache.
      type: list
      elements: dict
    cached_logprobs:
      description: The same with the prefix cache, as for requests of users.
      type: list
      elements: dict
  sample:
    sql:
      path: /srv/lora/sql/4f2a9c01d7be
      base_model: tiny
      root: acme/tiny-1b
      version: 0.33.0
      route: /v1/completions
      prompts: ["SELECT"]
      logprobs: [{" *": -0.21, " count": -2.5, " name": -3.1, " id": -3.4, " DISTINCT": -4.2}]
      cached_logprobs: [{" *": -0.21, " count": -2.5, " name": -3.1, " id": -3.4, " DISTINCT": -4.2}]
errors:
  description: The error of each model that failed, by its name, with the keys of RV(error) and C(msg).
  returned: if a model failed
  type: dict
  sample: {}
msg:
  description: "The error: the attempt, the address, the problem and the advice."
  returned: on failure
  type: str
  sample: "Could not ask 'sql' for a token at http://edge1:8000/v1/completions: the server answered 500 and
    said 'EngineCore encountered an issue.'; read the server's log."
error:
  description: The error for playbooks, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
  returned: on failure
  type: dict
  sample:
    code: server_error
    http_status: 500
    detail: "EngineCore encountered an issue."
    hint: read the server's log
    retryable: true
"""

from ansible_collections.sovereign.vllm.plugins.module_utils._operations.operation import run_module
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.vllm_smoke_test import SmokeTest


def main() -> None:
    run_module(SmokeTest())


if __name__ == "__main__":
    main()
