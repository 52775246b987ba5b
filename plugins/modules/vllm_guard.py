#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_guard
short_description: Put nginx in front of a vLLM server, so that users cannot load adapters
version_added: 1.0.0
description:
  - Writes a configuration for nginx that passes requests for answers with a user key. Routes that load and unload adapters, and
    routes for developers, need an admin key, or a user key and an address in O(admin_networks). Routes that vLLM does not have
    are answered 404.
  - The role P(sovereign.vllm.guard#role) runs this module. An option that the task does not set comes from the host variable of the
    same name with the prefix C(guard_), such as C(guard_user_keys).
  - The keys are in another file, which only its owner may read. They are in no result, no diff and no message.
  - nginx tests the new configuration before it uses it. If the test fails, or if the guard does not answer with the new
    configuration, the module puts the old one back. If a run is killed, the next run repairs its files.
  - The module does not install nginx. nginx must read C(*.conf) in O(directory) at the level C(http), as Debian's does.
extends_documentation_fragment:
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.write
options:
  state:
    description: V(absent) removes the guard. The server itself does not change.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the guard, if a node has several. It is part of the names of its files and of nginx's variables.
    type: str
    default: vllm
  listen:
    description: Addresses and ports where the guard listens. IPv6 is written V([::]:8443).
    type: list
    elements: str
    default: ["0.0.0.0:8443"]
  upstream:
    description: Address of the vLLM server, on the same node or in a network of its own. Let the server listen on a loopback
      address, so that the guard is the only way to it.
    type: str
    default: http://127.0.0.1:8000
  upstream_key:
    description: The key that the server was started with. The guard sends it instead of the key of the client, so that clients do
      not know the key of the server. If not set, the guard sends the key of the client, and the server must have all of them.
    type: str
  user_keys:
    description: Keys for routes that generate answers. Required unless O(state=absent).
    type: list
    elements: str
    default: []
  admin_keys:
    description: Keys for all routes, from any address.
    type: list
    elements: str
    default: []
  admin_networks:
    description: Addresses and networks of administrators. From there, a user key is enough for all routes, and metrics need no
      key. The address is that of the connection. Behind a load balancer, use O(admin_keys) instead.
    type: list
    elements: str
    default: []
  certificate:
    description: File on the node with the certificate and its chain, in PEM. Required unless all addresses in O(listen) are
      loopback addresses, or O(plain_http=true).
    type: path
  certificate_key:
    description: File on the node with the key of O(certificate).
    type: path
  plain_http:
    description: Whether to listen without TLS on an address that others reach. Keys then cross the network unencrypted.
    type: bool
    default: false
  max_body_size:
    description: Largest body of a request, in bytes or with V(k), V(m) or V(g).
    type: str
    default: 32m
  read_timeout:
    description: Seconds between two parts of an answer, or before its first part. A long prompt or a load can take minutes.
    type: int
    default: 600
  routes:
    description: Further routes, for releases of vLLM that have more than the guard knows.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The path, without a variable part.
        type: str
        required: true
      methods:
        description: The methods to pass. Other methods are answered 405.
        type: list
        elements: str
        default: [POST]
      access:
        description: V(open) needs no key. V(user) needs any key. V(monitoring) needs an admin key or an address in
          O(admin_networks). V(admin) needs an admin key, or a user key and an address in O(admin_networks).
        type: str
        choices: [open, user, monitoring, admin]
        required: true
  directory:
    description: Directory whose files C(*.conf) nginx reads.
    type: path
    default: /etc/nginx/conf.d
  test_command:
    description: Program and arguments with which nginx tests its configuration.
    type: list
    elements: str
    default: [/usr/sbin/nginx, -t]
  reload_command:
    description: Program and arguments with which nginx starts, or reads its configuration again.
    type: list
    elements: str
    default: [systemctl, reload-or-restart, nginx.service]
  wait:
    description: Seconds to wait until the guard answers with its configuration. The module asks from the node, without a key.
      V(0) means that it does not ask.
    type: int
    default: 10
notes:
  - nginx compares keys by regular expressions, and not in constant time. Use long random keys.
seealso:
  - module: sovereign.vllm.vllm_server_info
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Guard the server on this node
  sovereign.vllm.vllm_guard:
    upstream: http://127.0.0.1:8000
    upstream_key: "{{ vault_vllm_key }}"
    user_keys: "{{ vault_user_keys }}"
    admin_keys: ["{{ vault_admin_key }}"]
    admin_networks: [10.1.2.0/24]
    certificate: /etc/ssl/certs/node.pem
    certificate_key: /etc/ssl/private/node.key
  become: true

- name: Remove the guard
  sovereign.vllm.vllm_guard:
    state: absent
  become: true
"""

RETURN = r"""
configuration:
  description: The file with the configuration, which holds no key.
  returned: success
  type: str
  sample: /etc/nginx/conf.d/vllm-guard.conf
keys_file:
  description: The file with the keys.
  returned: success
  type: str
  sample: /etc/nginx/conf.d/vllm-guard.keys
digest:
  description: Name of the configuration, which the guard sends in the header C(X-Vllm-Guard). Null if there is no guard.
  returned: success
  type: str
  sample: 875063c72cab
diff:
  description: The configuration before and after. Of the keys, it only shows that they change.
  returned: success
  type: list
  elements: dict
msg:
  description: "The error: what was tried, what came back, what to do, and what became of the old configuration."
  returned: on failure
  type: str
  sample: "Could not test nginx's configuration: /usr/sbin/nginx -t returned 1 and said 'nginx: [emerg] cannot load certificate
    \"/etc/ssl/certs/node.pem\"'; correct what nginx names; see nginx -t; the old configuration is kept."
error:
  description: The error for playbooks, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
  returned: on failure
  type: dict
"""

from ansible_collections.sovereign.vllm.plugins.module_utils._operations.operation import run_module
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.vllm_guard import GuardOperation


def main() -> None:
    run_module(GuardOperation())


if __name__ == "__main__":
    main()
