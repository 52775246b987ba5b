# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lora_rollback
short_description: Decide what to load and to unload, so that a server serves its former adapters again
version_added: 1.0.0
description:
  - Compares the adapters that a server served before a rollout with the rollout's declaration and with the adapters that it serves now.
    The role P(sovereign.vllm.lora#role) uses it with C(tasks_from=restore).
positional: now, declaration, declared
options:
  _input:
    description: The adapters to restore, as RV(sovereign.vllm.vllm_base_model_info#module:adapters).
    type: list
    elements: dict
    required: true
  now:
    description: The adapters that are served now, as RV(sovereign.vllm.vllm_base_model_info#module:adapters).
    type: list
    elements: dict
    required: true
  declaration:
    description: The rollout's declaration, as P(sovereign.vllm.lora_declaration#filter) returns it, or an empty dictionary if the rollout
      did not get that far.
    type: dict
    required: true
  declared:
    description: The adapters as the role takes them. No server reports C(is_3d_lora_weight), so it is taken from here.
    type: list
    elements: dict
    default: []
seealso:
  - plugin: sovereign.vllm.lora_declaration
    plugin_type: filter
  - plugin: sovereign.vllm.lora
    plugin_type: role
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Show what to restore
  ansible.builtin.debug:
    msg: "{{ to_restore.adapters | sovereign.vllm.lora_rollback(now.adapters, declaration) }}"
"""

RETURN = r"""
_value:
  description: The adapters to load and to unload.
  type: dict
  contains:
    adapters:
      description: The adapters to restore, as M(sovereign.vllm.vllm_lora_adapters) takes them.
      type: list
      elements: dict
    to_unload:
      description: The adapters that the rollout has loaded, as M(sovereign.vllm.vllm_lora_adapters) takes them.
      type: list
      elements: dict
    served_names:
      description: The name under which each adapter is served after the rollback, by its declared name.
      type: dict
"""

from typing import Any

from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.staged import can_be_served_as
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain


class FilterModule:
    def filters(self) -> dict:
        return {"lora_rollback": lora_rollback}


def lora_rollback(former: list, now: list, declaration: dict, declared: Any = ()) -> dict:
    """Return the adapters to load and to unload, and the names under which they are served then."""
    return wrap_var(_rollback(*map(plain, (former, now, declaration, declared))))


def _rollback(former: Any, now: Any, declaration: Any, declared: Any) -> dict:
    paths = {adapter["name"]: adapter["root"] for adapter in former}
    served = {adapter["name"] for adapter in now}
    rolled_out = [adapter["name"] for adapter in declaration.get("adapters", [])]
    old_names = [adapter["name"] for adapter in declaration.get("superseded", [])]
    names = {}
    for name, new_name in declaration.get("served_names", {}).items():
        candidates = [new_name] if new_name in paths else [old for old in old_names if can_be_served_as(name, old)]
        if candidates:
            names[name] = candidates[-1]
    return {
        "adapters": [_adapter(name, path, declared) for name, path in paths.items()],
        "to_unload": [{"name": name, "state": "absent"} for name in rolled_out if name in served and name not in paths],
        "served_names": names,
    }


def _adapter(name: str, path: str, declared: list) -> dict:
    # The server has accepted this path before, so it may be relative.
    adapter = {"name": name, "path": path, "allow_hub": True}
    if any(one.get("is_3d_lora_weight") and can_be_served_as(one["name"], name) for one in declared):
        adapter["is_3d_lora_weight"] = True
    return adapter
