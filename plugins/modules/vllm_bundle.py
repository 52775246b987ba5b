#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_bundle
short_description: Write signed bundles for sites that no network reaches
version_added: 1.0.0
description:
  - The playbook C(sovereign.vllm.bundle) writes with this module. Other playbooks should not use it, since its options can change
    with any release.
  - Writes one directory C(bundle-<node>-<serial>) for each node. It appears only when it is complete and signed.
  - If a node cannot get a bundle, the module fails after the bundles of the other nodes are written.
  - The module runs on the controller and contacts no host.
extends_documentation_fragment:
  - sovereign.vllm._attributes.controller
  - sovereign.vllm._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  directory:
    description: Directory for the bundles.
    type: str
  hosts:
    description: The hosts, as M(sovereign.vllm.vllm_bundled_host) returns them.
    type: list
    elements: dict
    required: true
  missing:
    description: Names of hosts that are not in O(hosts). A node that has one of them gets no bundle.
    type: list
    elements: str
    default: []
  signing_key:
    description: File with a private key without passphrase, or with a public key whose private key the SSH agent has.
    type: str
  full:
    description: Whether to carry artifacts that the site has by its last result.
    type: bool
    default: false
  collection:
    description: Tarball of the collection to carry.
    type: str
  wheels:
    description: Directory with wheels to carry.
    type: str
  results:
    description: Directories with results that were carried back.
    type: list
    elements: str
    default: []
  result_signers:
    description: File with the keys of the sites, as ssh-keygen reads allowed signers. Each key is named after its node.
    type: str
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Write the bundles
  sovereign.vllm.vllm_bundle:
    directory: /media/usb
    signing_key: ~/.ssh/id_ed25519.pub
    hosts: "{{ ansible_play_hosts | map('extract', hostvars, ['bundle_resolved', 'host']) | select | list }}"
  run_once: true
"""

RETURN = r"""
bundles:
  description: The bundles, each with C(node), C(serial), C(hosts), C(path), C(size) in bytes, C(artifacts) (their digests) and C(msg).
  returned: always
  type: list
  elements: dict
msg:
  description: Summary of what was done, or the errors.
  returned: always
  type: str
error:
  description: The error for playbooks, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
  returned: on failure
  type: dict
"""
