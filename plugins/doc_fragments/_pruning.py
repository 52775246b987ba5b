# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options for pruning, as they are documented for the module and for the filter."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  prune:
    description:
      - Whether to unload adapters that are served but not declared.
      - The decision is made only from a full, well-formed list of models.
    type: bool
    default: false
  prune_exclude:
    description: Names that are never pruned, as globs, such as V(tenant-*). If an interrupted run left such an adapter under a
      temporary name, that stays as well, unless the adapter is declared.
    type: list
    elements: str
    default: []
  prune_limit:
    description: Refuse, before anything is written, if more adapters than this would be pruned. By default there is no limit.
    type: int
"""
