#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_server_info
short_description: Read the state of a vLLM server and audit its exposure
version_added: 1.0.0
description:
  - Reads the version and the health of a vLLM server, whether it can load adapters at run time, and which adapters have
    requests. Lists findings for an audit.
  - The module only sends requests that change nothing. It sends a few of them without key and client certificate, to see
    the access of strangers.
extends_documentation_fragment:
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.info
  - sovereign.vllm._attributes.actiongroup
  - sovereign.vllm._connection
  - sovereign.vllm._connection.shared
options:
  wait:
    description:
      - Whether to wait until the server is healthy and lists a base model. A server with a GPU takes minutes to start.
    type: bool
    default: false
  wait_timeout:
    description: Longest time to wait, in seconds.
    type: float
    default: 300.0
  drain:
    description:
      - Names of adapters. The module waits until no request for one of them runs or waits, at most O(drain_timeout).
      - Use this after the gateway has switched to other names, and before files of these adapters are removed. Requests that
        begin meanwhile count as well.
      - The names are those in C(vllm:lora_requests_info) of the server's metrics. vLLM names no adapter for a request that has
        not run yet. So all requests that wait count, whatever their model.
    type: list
    elements: str
  drain_timeout:
    description: Longest time to wait for O(drain), in seconds. The task then goes on with RV(drained=false).
    type: float
    default: 60.0
  grpc_port:
    description:
      - Port in C(--grpc-port) of the server, an option of vLLM's Rust front-end. By default no port is probed.
      - The service on this port loads and unloads adapters without a key, even if E(VLLM_ALLOW_RUNTIME_LORA_UPDATING) is off.
        No answer over HTTP shows that the port is open.
      - The module connects to this port of the host in O(base_url), directly and not through a proxy, and sends the first
        bytes of HTTP/2. It calls no method of the service.
    type: int
  adapters_from:
    description:
      - The way in which the server should get its adapters. With V(runtime), they are loaded while the server runs, as by
        M(sovereign.vllm.vllm_lora_adapters).
      - With V(startup), C(--lora-modules) names all adapters. Loading at run time is then not needed, and the module reports
        C(runtime_lora_unneeded) if it is on. The server does not tell which way is intended.
    type: str
    choices: [runtime, startup]
    default: runtime
seealso:
  - module: sovereign.vllm.vllm_base_model_info
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
# The host has the variable vllm_base_url, and vllm_api_key or vllm_api_key_env if its server has a key.
- name: Wait for the server after a restart
  sovereign.vllm.vllm_server_info:
    wait: true

- name: Wait until the last request for a replaced adapter has ended
  sovereign.vllm.vllm_server_info:
    drain: [sql-90be11c2]
    drain_timeout: 300

- name: Audit the server
  sovereign.vllm.vllm_server_info:
  register: server

- name: Audit a server that loads all adapters at start
  sovereign.vllm.vllm_server_info:
    adapters_from: startup

- name: Audit a server with the Rust front-end, which can have a gRPC port
  sovereign.vllm.vllm_server_info:
    grpc_port: 50051

- name: Stop at a severe finding
  ansible.builtin.assert:
    that: server.findings | selectattr('severity', 'equalto', 'high') | list | length == 0
    fail_msg: "{{ server.findings | map(attribute='message') | join(' ') }}"
"""

RETURN = r"""
version:
  description: Version of the server, or null if a proxy hides the version.
  returned: success
  type: str
  sample: 0.32.0
healthy:
  description: V(true) if the engine is alive. With a dead engine, C(/health) answers 500 or 503. If a proxy hides that route,
    the engine counts as alive.
  returned: success
  type: bool
  sample: true
runtime_lora:
  description: V(true) if adapters can be loaded at run time, with E(VLLM_ALLOW_RUNTIME_LORA_UPDATING) set.
  returned: success
  type: bool
  sample: true
auth_required:
  description: V(true) if the server refuses requests without a key or without a client certificate.
  returned: success
  type: bool
  sample: true
guarded:
  description: V(true) if the server is reached through the role P(sovereign.vllm.guard#role). Findings that the guard prevents are
    then not returned.
  returned: success
  type: bool
  sample: true
lora:
  description:
    - State of the adapters, from the server's metrics (C(/metrics)). A value is null if it cannot be read.
  returned: success
  type: dict
  contains:
    enabled:
      description: V(true) if the server was started with C(--enable-lora).
      type: bool
      sample: true
    max_loras:
      description:
        - Number of adapters that one batch can have (C(--max-loras)). vLLM shows this number after its first request for an
          adapter, and null is returned before.
      type: int
      sample: 4
    running:
      description: Adapters whose requests run now. A name with a comma is split, because vLLM separates names by commas.
      type: list
      elements: str
      sample: [sql]
    waiting:
      description: Adapters whose requests wait now. vLLM 0.32 and 0.33 also list adapters here whose requests run, and do not
        list the adapter of a request before it has run.
      type: list
      elements: str
      sample: []
drained:
  description: V(true) if no request for O(drain) runs or waits. V(false) if the time was over. Null if the metrics do not tell.
  returned: success and O(drain) is given
  type: bool
  sample: true
grpc:
  description:
    - State of O(grpc_port). V(open) answers in HTTP/2, the protocol of gRPC. V(other) accepts the connection and does not
      answer in HTTP/2. V(closed) does not accept the connection.
  returned: success and O(grpc_port) is given
  type: str
  choices: [open, other, closed]
  sample: closed
findings:
  description: Findings for an audit, the most severe first.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description:
        - The finding, one of C(no_key), C(adapters_alias_open), C(development_routes), C(runtime_lora_unneeded),
          C(grpc_open), C(grpc_unclear), C(plain_http), C(too_old), C(key_bypass), C(prefix_cache_by_name),
          C(more_adapters_than_slots).
      type: str
      sample: no_key
    severity:
      description: Severity of the finding.
      type: str
      choices: [high, medium]
      sample: high
    message:
      description: The finding in a sentence.
      type: str
      sample: Anybody who reaches the server can use it, and load and unload adapters.
    fix:
      description: Advice.
      type: str
      sample: Start the server with --api-key or VLLM_API_KEY.
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
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.vllm_server_info import ServerInfo


def main() -> None:
    run_module(ServerInfo())


if __name__ == "__main__":
    main()
