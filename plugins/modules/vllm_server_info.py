#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_server_info
short_description: Tell what can be managed on a vLLM server and how it is exposed
version_added: 1.0.0
description:
  - Reads the version and the health of a vLLM server, whether adapters can be loaded at run time, and what an auditor
    wants to know.
  - Only sends requests that change nothing. What strangers can do is found out by sending a few of them without key and
    client certificate.
extends_documentation_fragment:
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.info
  - sovereign.vllm._attributes.actiongroup
  - sovereign.vllm._connection
  - sovereign.vllm._connection.shared
options:
  wait:
    description:
      - Whether to wait until the server is healthy and names a base model. A server with a GPU takes minutes to start.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait at most.
    type: float
    default: 300.0
  grpc_port:
    description:
      - Port that the server was given by C(--grpc-port), which vLLM's Rust front-end has. By default no port is probed.
      - Its service loads and unloads adapters without a key, even if E(VLLM_ALLOW_RUNTIME_LORA_UPDATING) is off, and
        nothing that the server tells over HTTP shows that it is open.
      - The module connects to this port of the host in O(base_url), directly and not through a proxy, and sends the first
        bytes of HTTP/2. It calls nothing.
    type: int
  adapters_from:
    description:
      - How the server is meant to get its adapters. With V(runtime) they are loaded while it runs, as by
        M(sovereign.vllm.vllm_lora_adapters).
      - With V(startup) all of them are named by C(--lora-modules) when it starts, so that nobody needs to load any later, and
        loading at run time being on is the finding C(runtime_lora_unneeded). Nothing a server tells shows which one is meant.
    type: str
    choices: [runtime, startup]
    default: runtime
seealso:
  - module: sovereign.vllm.vllm_base_model_info
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Wait for the server after a restart
  sovereign.vllm.vllm_server_info:
    base_url: http://127.0.0.1:8000
    wait: true

- name: Audit the server
  sovereign.vllm.vllm_server_info:
    base_url: http://127.0.0.1:8000
  register: server

- name: Audit a server whose adapters are all named when it starts
  sovereign.vllm.vllm_server_info:
    base_url: http://127.0.0.1:8000
    adapters_from: startup

- name: Audit a server with the Rust front-end, which can have a gRPC port
  sovereign.vllm.vllm_server_info:
    base_url: http://127.0.0.1:8000
    grpc_port: 50051

- name: Stop where something grave is found
  ansible.builtin.assert:
    that: server.findings | selectattr('severity', 'equalto', 'high') | list | length == 0
    fail_msg: "{{ server.findings | map(attribute='message') | join(' ') }}"
"""

RETURN = r"""
version:
  description: Version that the server names, or null if a proxy hides it.
  returned: success
  type: str
  sample: 0.32.0
healthy:
  description: Whether the engine is alive. A dead one has C(/health) answer 500 or 503; where a proxy hides that route, it
    counts as alive.
  returned: success
  type: bool
  sample: true
runtime_lora:
  description: Whether adapters can be loaded at run time, that is E(VLLM_ALLOW_RUNTIME_LORA_UPDATING) is on.
  returned: success
  type: bool
  sample: true
auth_required:
  description: Whether strangers are refused, be it for want of a key or of a client certificate.
  returned: success
  type: bool
  sample: true
grpc:
  description:
    - How O(grpc_port) answers. V(open) means that it answers in HTTP/2, which gRPC is spoken in, V(other) that something
      accepts the connection and does not, and V(closed) that nothing accepts it.
  returned: success and O(grpc_port) is given
  type: str
  choices: [open, other, closed]
  sample: closed
findings:
  description: What an auditor wants to know, the most severe first.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description:
        - Which finding it is, one of C(no_key), C(adapters_alias_open), C(development_routes), C(runtime_lora_unneeded),
          C(grpc_open), C(grpc_unclear), C(plain_http), C(too_old), C(key_bypass), C(prefix_cache_by_name).
      type: str
      sample: no_key
    severity:
      description: How severe it is.
      type: str
      choices: [high, medium]
      sample: high
    message:
      description: What was found.
      type: str
      sample: Anybody who reaches the server can use it, and load and unload adapters.
    fix:
      description: What to do.
      type: str
      sample: Start the server with --api-key or VLLM_API_KEY.
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
    code: unauthorized
    http_status: 401
    detail: "Unauthorized"
    hint: give the server's key by option api_key or VLLM_API_KEY
    retryable: false
"""

from ansible_collections.sovereign.vllm.plugins.module_utils._operations.operation import run_module
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.vllm_server_info import ServerInfo


def main() -> None:
    run_module(ServerInfo())


if __name__ == "__main__":
    main()
