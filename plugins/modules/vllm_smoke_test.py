#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_smoke_test
short_description: Ask adapters of a vLLM server for one token
version_added: 1.0.0
description:
  - Sends each model one request for a completion of one token, and fails if a model does not answer. Even an adapter that the
    server lists can fail, because its files are gone or the engine is broken.
  - The module asks all models. The task then fails and lists every error. A server that does not answer at all is
    unreachable.
notes:
  - The models must generate text. A model that only embeds or classifies cannot be tested.
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
seealso:
  - module: sovereign.vllm.vllm_lora_adapters
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
# The host has the variable vllm_base_url, and vllm_api_key or vllm_api_key_env if its server has a key.
- name: Ask two adapters for a token
  sovereign.vllm.vllm_smoke_test:
    models: [sql, summaries]
"""

RETURN = r"""
answered:
  description: The models that answered. Empty in check mode.
  returned: always, unless nothing could be asked
  type: list
  elements: str
  sample: [sql, summaries]
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
