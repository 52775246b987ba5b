# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option that pins base models and release, for the module and for the filter."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  requires:
    description:
      - The server that the declaration was made for. All parts are optional.
      - If the server is another one, the verdict is V(drifted), each declared adapter has the drift V(server), and nothing is written.
        In check mode, the task warns. Otherwise it fails with the code V(server_differs).
    type: dict
    suboptions:
      base_models:
        description: Base models that the server must serve. Each has an O(requires.base_models[].id), a
          O(requires.base_models[].root) or both.
        type: list
        elements: dict
        suboptions:
          id:
            description: Name of the base model. It can be any of its names.
            type: str
          root:
            description: Directory or repository that the base model was loaded from, as the server lists it.
            type: str
      version:
        description:
          - Releases of vLLM, as comparisons that must all be true, such as V(>=0.31,<0.34). The operators are V(>=), V(<=), V(>),
            V(<), V(==) and V(!=).
          - A server that does not name its release does not meet this.
          - With this option, the task sends one more request.
        type: str
"""
