#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_lora_artifact
short_description: Stage a LoRA adapter on a node, under a path that contains its digest
version_added: 1.0.0
description:
  - Stages an adapter from a directory or archive in C(<store>/<name>/<first 12 digits of its digest>) on the node, after
    the checks of M(sovereign.vllm.vllm_lora_artifact_info). Other bytes have another path. A change of the content is
    therefore visible as drift, and an older version stays complete beside the new one.
  - The module copies only the files that vLLM reads. M(sovereign.vllm.vllm_lora_artifact_info) lists them in its
    description. The digest covers the same files, so that a second download or clone of an adapter changes nothing.
  - The module writes the artifact into a temporary directory in the store, reads it back, and renames it, so that the
    path holds the whole artifact or nothing. If a run is killed, the next run for the same adapter removes its leftovers.
  - Archives are tar archives, compressed or not, and zip archives, with the adapter at the top or in a directory. The
    module refuses a whole archive if a member is a link, a device or encrypted, leaves the archive, or occurs twice, and
    if the archive holds several adapters.
  - A staged version needs no source. If the store has the version that O(digest) or O(checksum) names, the module does not
    read O(src), and O(src) may be gone. It checks that version with the options about the artifact, such as O(max_rank).
  - With O(trust), the module stages only an artifact that is trusted. Its signature and C(README.md) are staged beside it, so that a version
    in the store can be verified again.
  - An artifact can be downloaded from a web server or from a registry, see O(src). The module downloads it if the store does not
    have it. A killed download leaves its beginning beside the versions, and the next run for the same version continues it. No
    part of it is a version until all of its bytes are compared.
  - Check mode downloads nothing.
  - The module does not load the adapter. Give RV(server_path) to M(sovereign.vllm.vllm_lora_adapters).
extends_documentation_fragment:
  - sovereign.vllm._trust
  - sovereign.vllm._staging
  - ansible.builtin.files
  - sovereign.vllm._sources
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.write
requirements:
  - requests, on the machine that downloads, if O(src) is an address
attributes:
  async:
    support: none
    details: Files are copied from the controller during the task.
options:
  name:
    description:
      - Name of the adapter, and of its directory in the store.
      - Letters, digits and C(_.-~) stay as they are. Other characters, and a dot at the beginning, are escaped as in a
        URL, so that no name leaves the store.
    type: str
    required: true
  src:
    description:
      - Directory or archive that holds the adapter.
      - It lies on the controller, and a relative path is searched like that of M(ansible.builtin.copy). With
        O(remote_src=true) it lies on the node.
      - Files from the controller pass through the temporary directory of the remote user, O(ignore:ansible_remote_tmp).
        They are sent only if the node does not have them.
      - Required unless O(digest) is given.
      - V(https://HOST/FILE) is an archive on a web server. O(digest) or O(checksum) must be given.
      - V(oci://REGISTRY/REPOSITORY@sha256:DIGEST) is an artifact in a registry, named by the digest of its manifest. Its layers are
        files, as ORAS and ModelPack write them, or tar archives. Layers that vLLM does not need are not downloaded.
      - An address is downloaded by the controller, into C(sovereign_vllm/artifacts) in Ansible's home directory, once for all hosts.
        With O(remote_src=true) the node downloads it, and needs the Python library C(requests).
      - A directory can also be an OCI image layout with one such artifact.
    type: path
  digest:
    description:
      - The digest that the artifact must have, V(sha256:) and 64 hexadecimal digits, as in RV(digest). If the store has this
        version, the module does not read O(src).
      - Without O(src), the module stages nothing, and RV(staged) tells whether the artifact is in the store. O(digest) can then
        also be the checksum of an archive that was staged with O(checksum).
    type: str
  remote_src:
    description: Set this if O(src) is already on the node, or if the node downloads it.
    type: bool
    default: false
  checksum:
    description:
      - V(sha256:) and 64 hexadecimal digits. If the artifact has another checksum, the module stages nothing.
      - The digest of the files, as in RV(digest), or for an archive the output of C(sha256sum) for it. The file
        C(.checksums.json) in the directory of the adapter keeps the digest for the checksum of an archive.
    type: str
  base_model:
    description: The model that the adapter must have been trained for, compared as by
      M(sovereign.vllm.vllm_lora_artifact_info).
    type: str
notes:
  - Never change or remove a version while a server lists its path. M(sovereign.vllm.vllm_lora_store) removes other versions.
seealso:
  - module: sovereign.vllm.vllm_lora_artifacts
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

# The host has the variable vllm_base_url.
- name: Serve the adapter
  sovereign.vllm.vllm_lora_adapters:
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

- name: Stage an adapter from a registry, by way of the registry of the site
  sovereign.vllm.vllm_lora_artifact:
    name: sql
    src: oci://registry.example/adapters/sql@sha256:90be11c2a7d4f1fdc3ab4b8d8f0c9f1b2b6c3e7d5a9e8f7c6b5a4d3c2b1a0f9e
    remote_src: true
    source_mirrors:
      oci://registry.example/: ["oci://registry.site.example:5000/"]
    source_credentials:
      - host: registry.site.example:5000
        username: robot
        secret_env: REGISTRY_PASSWORD
    store: /srv/lora
"""

RETURN = r"""
path:
  description: Path of the artifact in the store. In check mode, the path that it would have. For an address without O(digest) that
    was never downloaded, the path is not known in check mode. It is then made of the checksum or of the digest of the manifest.
  returned: success
  type: str
  sample: /srv/lora/support-de/4f1c3b0ad2f0
server_path:
  description: The same path for the server.
  returned: success
  type: str
  sample: /adapters/support-de/4f1c3b0ad2f0
digest:
  description: The digest of the files, as in M(sovereign.vllm.vllm_lora_artifact_info). If O(digest) is given and is not
    staged, that value. For an address in check mode it can be the checksum, or the digest of the manifest, see RV(path).
  returned: success
  type: str
  sample: sha256:4f1c3b0ad2f0f1fdc3ab4b8d8f0c9f1b2b6c3e7d5a9e8f7c6b5a4d3c2b1a0f9e
staged:
  description: V(true) if the artifact is in the store. It can be missing in check mode, and with O(digest).
  returned: success
  type: bool
  sample: true
signature:
  description: The verdict on the signature, as RV(sovereign.vllm.vllm_lora_artifact_info#module:signature). Null without O(trust).
  returned: success
  type: dict
  sample: {verified: true, key: "sha256:d38f4e960d902d9f29e3faca4d988ebff4a68c24102ab5428f77ff3e52ebe8e5", signer: null, mode: enforce, problem: null}
diff:
  description: The versions of this adapter in the store, before and after.
  returned: success
  type: dict
msg:
  description: The error. Each problem of the artifact has one sentence.
  returned: on failure
  type: str
  sample: "Could not stage adapter 'sql' from '/media/usb/sql.zip': The archive holds 'weights', which is a link: pack the
    files themselves."
error:
  description: The error for playbooks, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
  returned: on failure
  type: dict
  sample:
    code: artifact_invalid
    http_status: null
    detail: ""
    hint: correct what the message names, or use another artifact
    retryable: false
"""

from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.operations import LoraArtifact
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.operation import run_module


def main() -> None:
    run_module(LoraArtifact())


if __name__ == "__main__":
    main()
