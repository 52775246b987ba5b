#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_lora_artifact
short_description: Stage a LoRA adapter on a node, under a path that carries its digest
version_added: 1.0.0
description:
  - Brings an adapter from a directory or archive to C(<store>/<name>/<first 12 digits of its digest>) on the node,
    checked as by M(sovereign.vllm.vllm_lora_artifact_info). Other bytes have another path, so that serving it from there
    shows changed content as drift, and an older version stays whole beside it.
  - The module copies only the files that vLLM reads. M(sovereign.vllm.vllm_lora_artifact_info) lists them in its
    description. The digest covers the same files, so that a second download or clone of an adapter changes nothing.
  - The artifact is written beside its place, read back, and renamed, so that its place holds all of it or nothing. What
    a killed run has left behind is removed by the next one for the same adapter.
  - Archives are tar archives, compressed or not, and zip archives, with the adapter at the top or in a directory. An
    archive is refused as a whole if a member is a link, a device or encrypted, leaves the archive, or occurs twice, and
    if it holds several adapters.
  - A version that is staged needs no source. If the store has the version that O(checksum) names, O(src) is not read,
    and may be gone. The options about the artifact, such as O(max_rank), are checked against that version.
  - Nothing is served by this. Give RV(server_path) to M(sovereign.vllm.vllm_lora_adapters).
extends_documentation_fragment:
  - ansible.builtin.files
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.write
attributes:
  async:
    support: none
    details: What it sends from the controller it sends as part of the task.
options:
  name:
    description:
      - Name of the adapter, which names its directory in the store.
      - Letters, digits and C(_.-~) stay as they are; other characters, and a dot at the beginning, are escaped as in a
        URL, so that no name leaves the store.
    type: str
    required: true
  src:
    description:
      - Directory or archive that holds the adapter.
      - It lies on the controller, and a relative path is looked up like that of M(ansible.builtin.copy), unless
        O(remote_src=true).
      - What comes from the controller passes through the temporary directory of the remote user, O(ignore:ansible_remote_tmp).
        It is sent only when the node does not have it.
      - Required unless O(digest) is given.
    type: path
  decrypt:
    description: Whether files of O(src) on the controller that C(ansible-vault) has encrypted are decrypted before
      anything else is done, as by M(ansible.builtin.copy). O(checksum) and RV(digest) are then of the decrypted files.
    type: bool
    default: true
  digest:
    description:
      - The digest of an artifact, V(sha256:) and 64 hexadecimal digits, in place of O(src). The checksum of an archive
        that was staged with O(checksum) can stand in its place.
      - Nothing is staged then. RV(staged) tells whether it is in the store.
    type: str
  remote_src:
    description: Whether O(src) lies on the node already.
    type: bool
    default: false
  store:
    description: Directory on the node that holds the adapters. It is made if it is missing.
    type: path
    required: true
  server_store:
    description: The same directory as the server sees it, which is another path if it runs in a container. The default is
      O(store).
    type: str
  checksum:
    description:
      - What the artifact must be, or nothing is staged, as V(sha256:) and 64 hexadecimal digits.
      - Either the digest of its files, as in RV(digest), or for an archive what C(sha256sum) prints for it. The file
        C(.checksums.json) in the directory of the adapter remembers which digest an archive had.
    type: str
  max_size:
    description: Bytes that the files which vLLM reads may have together, such as V(2G). In an archive, all members count.
    type: bytes
    default: 16G
  max_rank:
    description: The largest rank that the server takes, its C(--max-lora-rank).
    type: int
  base_model:
    description: The model that the adapter must have been trained for, compared as by
      M(sovereign.vllm.vllm_lora_artifact_info).
    type: str
  allow_pickle:
    description: Accept weights that vLLM reads by unpickling, which can run code of whoever wrote the file. A pickle
      beside C(adapter_model.safetensors) needs no permission, because vLLM never opens it, and it is not copied.
    type: bool
    default: false
  mode:
    description: Permissions of the files and directories, as of M(ansible.builtin.file). The server must be able to read
      them.
    default: u=rwX,go=rX
notes:
  - Never change or remove a version while a server lists its path. M(sovereign.vllm.vllm_lora_store) removes the others.
seealso:
  - module: sovereign.vllm.vllm_lora_artifact_info
  - module: sovereign.vllm.vllm_lora_store
  - module: sovereign.vllm.vllm_lora_adapters
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Stage an adapter from the controller
  sovereign.vllm.vllm_lora_artifact:
    name: support-de
    src: adapters/support-de.tar.gz
    store: /srv/lora
    max_rank: 32
  register: staged

- name: Serve it
  sovereign.vllm.vllm_lora_adapters:
    base_url: http://127.0.0.1:8000
    adapters:
      - name: support-de
        path: "{{ staged.server_path }}"

- name: Stage an adapter from a disk that was carried to the site, for a server in a container
  sovereign.vllm.vllm_lora_artifact:
    name: support-de
    src: /media/usb/support-de.zip
    remote_src: true
    checksum: sha256:4f1c3b0ad2f0f1fdc3ab4b8d8f0c9f1b2b6c3e7d5a9e8f7c6b5a4d3c2b1a0f9e
    store: /srv/lora
    server_store: /adapters
"""

RETURN = r"""
path:
  description: Where the artifact is in the store, or in check mode would be.
  returned: success
  type: str
  sample: /srv/lora/support-de/4f1c3b0ad2f0
server_path:
  description: The same path as the server sees it.
  returned: success
  type: str
  sample: /adapters/support-de/4f1c3b0ad2f0
digest:
  description: The digest of its files, as M(sovereign.vllm.vllm_lora_artifact_info) returns it. If O(digest) is given and
    nothing is staged for it, that value.
  returned: success
  type: str
  sample: sha256:4f1c3b0ad2f0f1fdc3ab4b8d8f0c9f1b2b6c3e7d5a9e8f7c6b5a4d3c2b1a0f9e
staged:
  description: Whether it is in its place. It can be missing in check mode, and with O(digest).
  returned: success
  type: bool
  sample: true
diff:
  description: The versions of this adapter in the store, before and after.
  returned: success
  type: dict
msg:
  description: What could not be done, with every problem of the artifact in one sentence each.
  returned: on failure
  type: str
  sample: "Could not stage adapter 'sql' from '/media/usb/sql.zip': The archive holds 'weights', which is a link: pack the
    files themselves."
error:
  description: The failure for machines, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
  returned: on failure
  type: dict
  sample:
    code: artifact_invalid
    http_status: null
    detail: ""
    hint: correct what the message names, or bring another artifact
    retryable: false
"""

from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.operations import LoraArtifact
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.operation import run_module


def main() -> None:
    run_module(LoraArtifact())


if __name__ == "__main__":
    main()
