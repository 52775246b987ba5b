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
  - Sends one request for a completion of one token to each model, and fails when one does not answer. A listed adapter
    can fail all the same, when its files are gone or the engine is broken.
  - All models are asked, then the task fails and lists every failure. A server that does not answer at all is
    unreachable.
notes:
  - The model must generate text. There is nothing to ask of a model that only embeds or classifies.
extends_documentation_fragment:
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.info
  - sovereign.vllm._attributes.actiongroup
  - sovereign.vllm._connection
  - sovereign.vllm._connection.shared
attributes:
  check_mode:
    details: Nothing is asked in check mode, since what is to be asked may not be served yet.
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
- name: See whether the adapters answer
  sovereign.vllm.vllm_smoke_test:
    base_url: http://127.0.0.1:8000
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
  description: What was tried, where, what came back, and what to do.
  returned: on failure
  type: str
  sample: "Could not ask 'sql' for a token at http://edge1:8000/v1/completions: the server answered 500 and
    said 'EngineCore encountered an issue.'; read the server's log."
error:
  description: The failure for machines, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
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
