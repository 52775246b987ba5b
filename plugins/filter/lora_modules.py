# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lora_modules
short_description: Make the arguments that load adapters when vLLM starts
version_added: 1.0.0
description:
  - Turns declared adapters into C(--lora-modules) and its values. Put the result between double quotes as a variable into a
    file that systemd reads by C(EnvironmentFile=) or a shell by C(.). In C(ExecStart=), write the variable without braces,
    so that systemd splits the text.
  - Adapters with C(state=absent) are left out. If there are no other adapters, the result is empty.
options:
  _input:
    description: The adapters, as M(sovereign.vllm.vllm_lora_adapters) takes them.
    type: list
    elements: dict
    required: true
seealso:
  - plugin: sovereign.vllm.lora
    plugin_type: role
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Load the same adapters at the start of vLLM
  ansible.builtin.copy:
    dest: /etc/vllm/lora-adapters.env
    content: |
      VLLM_LORA_ARGS="{{ adapters | sovereign.vllm.lora_modules }}"
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The arguments, or an empty string.
  type: str
  sample: --lora-modules sql=/srv/lora/sql/4f2a9c01d7be summaries=/srv/lora/summaries/90be11c2a7d4
"""

import json
import re

from ansible.errors import AnsibleFilterError
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import (
    read_adapters,
    without_artifacts,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._settings import plain

_PLAIN = re.compile(r"[\w.@%+:/-]+", re.ASCII)
_SPECIAL = re.compile(r'(["$`])')


def lora_modules(adapters: list) -> str:
    """Return the arguments for all adapters that are not absent."""
    where = "the declaration"
    try:
        read = without_artifacts(where, read_adapters(where, plain(adapters)))
    except VllmError as error:
        raise AnsibleFilterError(f"sovereign.vllm.lora_modules: {error.message}") from None
    values = [_value(adapter) for adapter in read if adapter.get("state") != "absent"]
    return " ".join(["--lora-modules", *values]) if values else ""


def _value(adapter: dict) -> str:
    name, path = adapter["name"], adapter["path"]
    for text in (name, path):
        # Programs that read such files differ in how they read these.
        if not text.isprintable() or set(text) & set("\"'\\"):
            raise AnsibleFilterError(f"{text!r} cannot be put into arguments: use no quotes and no backslashes.")
    if _PLAIN.fullmatch(name) and _PLAIN.fullmatch(path) and not adapter.get("is_3d_lora_weight"):
        return f"{name}={path}"
    module: dict[str, object] = {"name": name, "path": path}
    if adapter.get("is_3d_lora_weight"):
        module["is_3d_lora_weight"] = True
    quoted = "'" + json.dumps(module, ensure_ascii=False, separators=(",", ":")) + "'"
    return _SPECIAL.sub(r"\\\1", quoted)


class FilterModule:
    def filters(self) -> dict:
        return {"lora_modules": lora_modules}
