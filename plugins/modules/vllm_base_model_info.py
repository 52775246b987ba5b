#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_base_model_info
short_description: List the base models and adapters of a vLLM server
version_added: 1.0.0
description:
  - Reads the list of models of a vLLM server with one request. A server has the base models that it was started with.
extends_documentation_fragment:
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.info
  - sovereign.vllm._attributes.actiongroup
  - sovereign.vllm._connection
  - sovereign.vllm._connection.shared
seealso:
  - module: sovereign.vllm.vllm_lora_adapter
  - module: sovereign.vllm.vllm_server_info
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
# The host has the variable vllm_base_url, and vllm_api_key or vllm_api_key_env if its server has a key.
- name: List base models and adapters
  sovereign.vllm.vllm_base_model_info:
  register: served

- name: Ask the server of another host, with the key of that host
  sovereign.vllm.vllm_base_model_info:
    server_of: edge2

- name: Ask a server that is in no inventory
  sovereign.vllm.vllm_base_model_info:
    base_url: http://127.0.0.1:8000
    api_key_env: VISITOR_KEY
    timeout: 5

- name: Stop if the server has another base model
  ansible.builtin.assert:
    that: served.base_models | map(attribute='id') | list == ['tiny']
"""

RETURN = r"""
base_models:
  description: The base models. Names that share a root are one base model.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: First name of the base model, which adapters list as their parent.
      type: str
      sample: tiny
    root:
      description: Path or repository that the server was started with.
      type: str
      sample: /srv/models/tiny
    max_model_len:
      description: Longest context, in tokens.
      type: int
      sample: 256
    aliases:
      description: Other names of the base model.
      type: list
      elements: str
      sample: [tiny-chat]
adapters:
  description: The adapters that are served.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name by which requests choose the adapter.
      type: str
      sample: sql
    root:
      description: Path of the adapter as the server lists it, in the spelling of the request that loaded the adapter.
      type: str
      sample: /srv/adapters/sql/4f2a9c01d7be
    parent:
      description: First name of the base model of the adapter.
      type: str
      sample: tiny
roots:
  description:
    - Every path that the server lists. They include the paths of adapters that an interrupted run left under a temporary
      name. RV(adapters) does not list these.
    - Never remove one of these directories.
  returned: success
  type: list
  elements: str
  sample: [/srv/adapters/sql/4f2a9c01d7be]
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
    code: unauthorized
    http_status: 401
    detail: "Unauthorized"
    hint: give the server's key by option api_key or VLLM_API_KEY
    retryable: false
"""

from ansible_collections.sovereign.vllm.plugins.module_utils._operations.operation import run_module
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.vllm_base_model_info import BaseModelInfo


def main() -> None:
    run_module(BaseModelInfo())


if __name__ == "__main__":
    main()
