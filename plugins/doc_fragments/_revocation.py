# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option with revoked digests, for the modules and for the filter."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  revoked:
    description:
      - Digests of artifacts that must not be served, each V(sha256:) and 64 hexadecimal digits.
      - An adapter is served from such an artifact if a part of its path is the digest, or the first 12 digits of the digest, as
        M(sovereign.vllm.vllm_lora_artifact) names the directories of a store.
      - Such an adapter is unloaded, even if O(prune=false) or O(prune_exclude) has its name. O(prune_limit) does not count it.
        If another artifact is declared for the same name, that artifact replaces it. If the other artifact cannot be loaded, the
        adapter is unloaded anyway.
      - If an adapter is declared from a revoked artifact, the task fails with the code V(revoked), and nothing is written. In check
        mode, the task warns.
    type: list
    elements: str
    default: []
"""
