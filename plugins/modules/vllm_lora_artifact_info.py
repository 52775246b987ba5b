#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_lora_artifact_info
short_description: Check whether a directory or archive holds a LoRA adapter that vLLM can load
version_added: 1.0.0
description:
  - Reads C(adapter_config.json) and the header of C(adapter_model.safetensors) in a directory or archive, lists every
    problem that prevents vLLM from serving the adapter as it was trained, and computes a digest of the files that vLLM
    reads.
  - vLLM loads some wrong artifacts without an error. It then answers nonsense, for example with weights of another
    rank than the config has, or it answers like the base model, for example with a C(lora_alpha) of 0.
  - "The module looks only at these files, directly in the directory: C(adapter_config.json); the weights, which are
    C(adapter_model.safetensors), or if that is missing C(adapter_model.bin), or if that is also missing
    C(adapter_model.pt); and the tokenizer, which vLLM 0.7 to 0.10 read from there: C(added_tokens.json),
    C(chat_template.jinja), C(merges.txt), C(sentencepiece.bpe.model), C(special_tokens_map.json), C(spiece.model),
    C(tekken.json), C(tokenizer.json), C(tokenizer.model), C(tokenizer_config.json), C(vocab.json), C(vocab.txt)."
  - It ignores other files of a downloader, a trainer or git. The exceptions are C(new_embeddings.safetensors) and
    C(new_embeddings.bin), which are a problem, because vLLM 0.12 and later do not read the embeddings of added tokens in
    them.
  - If a file is a symbolic link into the same directory, the module reads the file that the link leads to. In a snapshot
    of a Hugging Face cache it also follows links into C(blobs) of that cache. Other links are a problem.
  - The module runs on the host of the files. It needs only Python, and for O(trust) the library C(cryptography). It never imports
    the adapter, never reads the tensor data into memory, and never opens pipes, sockets or devices.
  - If the artifact is bad or missing, the task succeeds with RV(valid=false) and RV(problems). It fails only if an option
    makes no sense.
notes:
  - The checks follow vLLM 0.32.0. Older releases refuse less, and serve some of these artifacts wrongly.
  - The module does not see the base model, so it cannot check whether that has the modules that the adapter changes.
extends_documentation_fragment:
  - sovereign.vllm._trust
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.info
options:
  path:
    description:
      - The directory of the adapter, on the host that runs the module, a tar or zip archive of it, or an OCI image layout that
        holds it. The module does not unpack the archive.
      - An archive may hold the adapter in a directory, and also other files. It must hold only one adapter. Checkpoints
        in the directory of that adapter do not count. Files that macOS adds to archives are ignored.
      - The server may have the directory under another path, for example in a container.
    type: path
    required: true
  max_rank:
    description:
      - The largest rank that the server takes, its C(--max-lora-rank).
      - The module compares it with the largest of C(r) and all values of C(rank_pattern), as vLLM does.
    type: int
  base_model:
    description:
      - The model that the adapter must have been trained for, compared with C(base_model_name_or_path) in the config.
        vLLM never compares it.
      - A path, a name on a model hub and a bare name are the same model if their last parts are equal, as
        V(/models/llama-3.1-8b/), V(meta-llama/llama-3.1-8b) and V(llama-3.1-8b). Two names on a hub must be equal.
      - The names of models in caches are understood, such as
        V(/cache/models--meta-llama--llama-3.1-8b/snapshots/0e9e39f2) of Hugging Face, which is
        V(meta-llama/llama-3.1-8b), and V(Qwen2___5-0___5B) of ModelScope, which is V(Qwen2.5-0.5B).
    type: str
  checksum:
    description:
      - The digest that the files must have, V(sha256:) and 64 hexadecimal digits, as in RV(digest). For an archive, it can
        be the output of C(sha256sum) for it.
    type: str
  max_size:
    description: The most bytes that the files for vLLM may have together, such as V(2G). In an archive, all members count.
    type: bytes
    default: 16G
  allow_pickle:
    description:
      - Whether to accept weights in C(adapter_model.bin) or C(adapter_model.pt), which vLLM reads if there is no
        C(adapter_model.safetensors). Loading a pickle can run code of the author of the file.
      - The module checks only the digest of such weights.
    type: bool
    default: false
  name:
    description: Name of the adapter, for the entries of O(trust). Required with O(trust).
    type: str
  revoked:
    description: Digests that the files must not have, V(sha256:) and 64 hexadecimal digits.
    type: list
    elements: str
    default: []
author:
  - sovereign.vllm contributors (@sovereign-vllm)
seealso:
  - module: sovereign.vllm.vllm_lora_adapter
  - module: sovereign.vllm.vllm_lora_adapters
"""

EXAMPLES = r"""
- name: Check an adapter before loading
  sovereign.vllm.vllm_lora_artifact_info:
    path: /srv/lora/support-de
    max_rank: 32
    base_model: meta-llama/Llama-3.1-8B-Instruct
  register: artifact

- name: Stop if vLLM cannot serve the adapter
  ansible.builtin.assert:
    that: artifact.valid
    fail_msg: "{{ artifact.problems | join(' ') }}"

- name: Check that the files are those of the release
  sovereign.vllm.vllm_lora_artifact_info:
    path: /srv/lora/support-de
    checksum: sha256:4f1c3b0ad2f0f1fdc3ab4b8d8f0c9f1b2b6c3e7d5a9e8f7c6b5a4d3c2b1a0f9e
  register: artifact
  failed_when: not artifact.valid
"""

RETURN = r"""
msg:
  description: The problems in one text, which C(failed_when) shows. If an option makes no sense, the error.
  returned: if the artifact is not valid, and on failure
  type: str
  sample: "Could not serve '/srv/lora/support-de': adapter_config.json is missing."
valid:
  description: Whether RV(problems) is empty.
  returned: success
  type: bool
  sample: false
code:
  description: The code with which M(sovereign.vllm.vllm_lora_artifact) would refuse the artifact, V(artifact_invalid), V(untrusted) or
    V(revoked). V(null) if RV(problems) is empty.
  returned: success
  type: str
  sample: artifact_invalid
signature:
  description: The verdict on the signature. V(null) without O(trust).
  returned: success
  type: dict
  contains:
    verified:
      description: Whether a trusted key has signed these files, and the other conditions of the entry are met.
      type: bool
      sample: true
    key:
      description: The SHA-256 of the public key in PEM format, V(sha256:) and 64 hexadecimal digits. V(null) if the signature is not by
        a trusted key.
      type: str
      sample: sha256:d38f4e960d902d9f29e3faca4d988ebff4a68c24102ab5428f77ff3e52ebe8e5
    signer:
      description: The subject of the signer's certificate. V(null) if the signature is by a key alone.
      type: str
      sample: CN=Release 2026
    mode:
      description: The mode of the entry. With V(enforce), RV(signature.problem) is one of RV(problems) too.
      type: str
      sample: enforce
    problem:
      description: The reason why the artifact is not trusted. V(null) if it is.
      type: str
problems:
  description: One sentence for each problem, with advice.
  returned: success
  type: list
  elements: str
  sample:
    - "adapter_config.json: r sets the rank 64, and max_rank is 32: start vLLM with a larger --max-lora-rank, or
      train the adapter with a smaller rank."
digest:
  description:
    - The SHA-256 of the output of C(sha256sum) for the files that vLLM reads, which the description lists, in the order of
      the names' bytes. Other files, times, owners and modes do not count. A link counts as a copy.
    - For most adapters, C(sha256sum adapter_config.json adapter_model.safetensors | sha256sum) in their directory prints
      the same digits. If there is a tokenizer, its files come after these two, in the order of the list.
    - V(null) if some of these files cannot be read, as RV(problems) says.
  returned: success
  type: str
  sample: sha256:4f1c3b0ad2f0f1fdc3ab4b8d8f0c9f1b2b6c3e7d5a9e8f7c6b5a4d3c2b1a0f9e
size:
  description: Bytes of all files that vLLM reads.
  returned: success
  type: int
  sample: 167832240
rank:
  description:
    - The largest rank in the config, in C(r) or in C(rank_pattern).
    - V(null) if there is none, or if a rank is not a positive integer.
  returned: success
  type: int
  sample: 64
peft_type:
  description: The kind of adapter in the config, as it is written there. vLLM serves V(LORA). V(null) if the config has
    none, which vLLM accepts.
  returned: success
  type: str
  sample: LORA
base_model_name_or_path:
  description: The model that the adapter was trained for, from the config. V(null) if the config names none.
  returned: success
  type: str
  sample: meta-llama/Llama-3.1-8B-Instruct
target_modules:
  description:
    - The modules that the adapter changes, from the config. A pattern, such as V(all-linear), is the only element.
    - V(null) if the config names none.
  returned: success
  type: list
  elements: str
  sample: [q_proj, v_proj]
error:
  description: The error for playbooks, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
  returned: on failure
  type: dict
  sample:
    code: invalid_request
    http_status: null
    detail: ""
    hint: give 1 or more, or leave it out for any rank
    retryable: false
"""

from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.operations import LoraArtifactInfo
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.operation import run_module


def main() -> None:
    run_module(LoraArtifactInfo())


if __name__ == "__main__":
    main()
