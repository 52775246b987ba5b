# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_sizes
short_description: Read the sizes of the waves of a rollout
version_added: 1.0.0
description:
  - Converts the variable C(lora_serial) to a list for the keyword C(serial) of a play. The variable is text if it comes from
    C(-e name=value) or from a survey of AWX.
  - The playbook C(sovereign.vllm.converge) uses it. If the variable holds anything else, the filter fails and says so.
options:
  _input:
    description: A number of sites, a share such as V(25%), a list of them, or text that writes one.
    type: raw
    required: true
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Show the sizes
  ansible.builtin.debug:
    msg: "{{ '1,25%' | sovereign.vllm.rollout_sizes }}"
"""

RETURN = r"""
_value:
  description: The sizes.
  type: list
  elements: str
  sample: ['1', '25%']
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain
from ansible_collections.sovereign.vllm.plugins.plugin_utils._rollout.waves import sizes_of


class FilterModule:
    def filters(self) -> dict:
        return {"rollout_sizes": rollout_sizes}


def rollout_sizes(serial: Any) -> list[str]:
    """Return the sizes of the waves as a list."""
    try:
        return sizes_of(plain(serial))
    except VllmError as error:
        raise AnsibleFilterError(error.message) from None
