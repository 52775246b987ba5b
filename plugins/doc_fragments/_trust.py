# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy of trust, for the modules that read artifacts."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  trust:
    description:
      - The artifacts that are trusted, a list of entries. The first entry for the name of the adapter counts. If there are entries,
        and none is for the name, the artifact is not trusted. Without entries, any artifact is.
      - The signature must be in the file C(model.sig) beside C(adapter_config.json), as the tool C(model_signing) writes it, see
        R(the guide to trust,ansible_collections.sovereign.vllm.docsite.trust_guide).
      - The machine that has the files verifies them, and needs the Python library C(cryptography). This is the controller for
        files that it sends, and otherwise the node.
    type: list
    elements: dict
    suboptions:
      names:
        description: Names of adapters, as globs. By default, the entry is for all.
        type: list
        elements: str
      keys:
        description:
          - The trusted signers. Each is a public key of the curves P-256, P-384 or P-521, or a certificate of a signer or an
            authority, in PEM format, as text or as the path of a file on the controller.
          - Required unless O(trust[].mode=warn).
        type: list
        elements: str
      mode:
        description: V(enforce), the default, refuses other artifacts with the code V(untrusted). V(warn) warns and accepts them.
        type: str
        choices: [enforce, warn]
      base_models:
        description: Base models that the artifact may be trained for, compared as by M(sovereign.vllm.vllm_lora_artifact_info).
          By default, any.
        type: list
        elements: str
      licences:
        description: Licences that the model card C(README.md) may name in its front matter. The signature must cover the card.
          By default, any.
        type: list
        elements: str
"""
