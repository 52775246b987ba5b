# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options for downloads of artifacts."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  source_mirrors:
    description:
      - Prefixes of addresses, each with a list of prefixes to try instead, in order. The longest prefix that fits the source counts.
      - If a prefix fits, no other address is asked. To ask the address itself too, put its prefix into the list.
      - Any mirror is safe, because the digest or checksum decides.
    type: dict
    default: {}
  source_credentials:
    description: Logins for hosts that artifacts are downloaded from. Each goes only to its host.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: The host, with its port if the address has one. For Docker Hub it is V(registry-1.docker.io).
        type: str
        required: true
      username:
        description: The name of the user. Without it, the secret is sent as a bearer token.
        type: str
      secret_env:
        description: Name of the environment variable of the controller that holds the password or token.
        type: str
      secret:
        description: The password or token itself. Prefer O(source_credentials[].secret_env).
        type: str
  source_auth_file:
    description:
      - A file with logins for registries, as C(podman login) and C(docker login) write it, on the machine that downloads.
      - The default is the variable E(REGISTRY_AUTH_FILE), or else C(containers/auth.json) in E(XDG_RUNTIME_DIR) and in the
        configuration directory of the user, and C(~/.docker/config.json).
      - Credential helpers that such a file names are not run.
    type: path
  source_plain_http:
    description: Hosts that may be asked by plain http, each with or without a port. Registries on these hosts are always asked so.
      An address on loopback that begins with C(http://) needs no entry.
    type: list
    elements: str
    default: []
  source_ca_path:
    description: Certificates of trusted authorities for downloads, as O(sovereign.vllm.vllm_lora_adapters#module:ca_path).
    type: path
  source_validate_certs:
    description: Whether to verify the certificates of hosts that artifacts are downloaded from.
    type: bool
    default: true
  source_use_proxy:
    description: Whether downloads use the proxy of the environment, as O(sovereign.vllm.vllm_lora_adapters#module:use_proxy).
    type: bool
    default: true
"""
