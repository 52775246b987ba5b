# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a store, for the modules that stage artifacts."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  decrypt:
    description: Whether to decrypt files of the source on the controller that C(ansible-vault) has encrypted, as
      M(ansible.builtin.copy) does. Checksums and digests are then those of the decrypted files.
    type: bool
    default: true
  store:
    description: Directory on the node that holds the adapters. The module creates it if it is missing.
    type: path
    required: true
  server_store:
    description: Path of the same directory for the server, which differs if the server runs in a container. The default
      is O(store).
    type: str
  max_size:
    description: The most bytes that the files for vLLM may have together, such as V(2G). In an archive, all members count.
    type: bytes
    default: 16G
  max_rank:
    description: The largest rank that the server takes, its C(--max-lora-rank).
    type: int
  allow_pickle:
    description: Whether to accept weights that vLLM reads by unpickling, which can run code of the author of the file. A
      pickle beside C(adapter_model.safetensors) is always accepted, because vLLM does not open it. It is not copied.
    type: bool
    default: false
  revoked:
    description: Digests of artifacts that are never staged, V(sha256:) and 64 hexadecimal digits.
    type: list
    elements: str
    default: []
  mode:
    description: Permissions of the files and directories, as in M(ansible.builtin.file). The server must be able to read
      them.
    default: u=rwX,go=rX
"""
