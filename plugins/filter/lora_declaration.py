# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lora_declaration
short_description: Declare the adapters of a node at the paths of their staged artifacts
version_added: 1.0.0
description:
  - Combines the adapters of a node, the paths of their staged artifacts, and the adapters that the server already serves.
    The role P(sovereign.vllm.lora#role) uses this filter.
positional: staged, served, versioned_names
options:
  _input:
    description: The adapters, as the role takes them. If the declaration cannot be used, the filter fails with the reason.
    type: list
    elements: dict
    required: true
  staged:
    description: The staged artifacts, as RV(sovereign.vllm.vllm_lora_artifacts#module:artifacts).
    type: list
    elements: dict
    required: true
  served:
    description: The served adapters, as RV(sovereign.vllm.vllm_base_model_info#module:adapters).
    type: list
    elements: dict
    required: true
  versioned_names:
    description: Whether to serve a staged artifact as C(<name>-<first 8 digits of its digest>).
    type: bool
    default: false
seealso:
  - plugin: sovereign.vllm.lora
    plugin_type: role
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Show the declaration
  ansible.builtin.debug:
    var: adapters | sovereign.vllm.lora_declaration(staged.artifacts, served.adapters)
"""

RETURN = r"""
_value:
  description: The declaration.
  type: dict
  contains:
    adapters:
      description: All adapters, as M(sovereign.vllm.vllm_lora_adapters) takes them.
      type: list
      elements: dict
    served_names:
      description: The served name of each adapter, by its declared name.
      type: dict
    superseded:
      description: Adapters to unload. They serve older artifacts of these adapters from the store under other names.
      type: list
      elements: dict
    superseded_globs:
      description: The same names as globs.
      type: list
      elements: str
"""

import glob

from ansible.errors import AnsibleFilterError
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import ADAPTER_OPTIONS, read_adapters
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.staged import served_name, superseded
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain


def lora_declaration(adapters: list, staged: list, served: list, versioned_names: bool = False) -> dict:
    """Return the declaration of the node, its names and the names that it supersedes."""
    try:
        adapters = read_adapters("the declaration", plain(adapters))
    except VllmError as error:
        raise AnsibleFilterError(f"sovereign.vllm.lora_declaration: {error.message}") from None
    return wrap_var(_declaration(adapters, plain(staged), plain(served), versioned_names))


def _declaration(adapters: list, staged: list, served: list, versioned_names: bool) -> dict:
    artifacts = {artifact["name"]: artifact for artifact in staged}
    declared, served_names = [], {}
    for adapter in adapters:
        entry = {option: value for option, value in adapter.items() if option in ADAPTER_OPTIONS}
        artifact = artifacts.get(adapter["name"])
        entry["name"] = served_name(adapter["name"], artifact["digest"] if artifact and versioned_names else None)
        if entry.get("state") != "absent":
            if artifact:
                _require_staged(adapter, artifact)
                entry["path"] = artifact["server_path"]
            served_names[adapter["name"]] = entry["name"]
        declared.append(entry)
    old = superseded(adapters, [entry["name"] for entry in declared], served)
    return {
        "adapters": declared,
        "served_names": served_names,
        "superseded": [{"name": name, "state": "absent"} for name in old],
        "superseded_globs": [glob.escape(name) for name in old],
    }


def _require_staged(adapter: dict, artifact: dict) -> None:
    """Refuse an adapter without ``src`` that the store does not have: nothing could be staged."""
    if "src" not in adapter and not artifact["staged"]:
        raise AnsibleFilterError(
            f"Adapter {quoted(adapter['name'])} is declared by its digest, and {artifact['path']} does not exist; stage the "
            "artifact first, or declare its src as well."
        )


class FilterModule:
    def filters(self) -> dict:
        return {"lora_declaration": lora_declaration}
