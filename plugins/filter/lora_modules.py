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

from ansible.errors import AnsibleFilterError
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import read_adapters
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.boot_file import arguments_for
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain


def lora_modules(adapters: list) -> str:
    """Return the arguments for all adapters that are not absent."""
    try:
        return arguments_for(read_adapters("the declaration", plain(adapters)))
    except VllmError as error:
        raise AnsibleFilterError(f"sovereign.vllm.lora_modules: {error.message}") from None


class FilterModule:
    def filters(self) -> dict:
        return {"lora_modules": lora_modules}
