# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_site
short_description: Decide how a rollout treats a site
version_added: 1.0.0
description:
  - Takes the results of looking at a site, and returns its group and the reasons why it must not be changed.
  - The playbook C(sovereign.vllm.converge) uses it.
positional: declared, approved
options:
  _input:
    description: The results of the tasks C(read), C(served) and C(ping), and the list C(boot) with those of the boot file. The result of a
      skipped task is empty.
    type: dict
    required: true
  declared:
    description: Whether the site has a declaration.
    type: bool
    required: true
  approved:
    description: Whether a person has approved the plan of the site, or no approval is asked for.
    type: bool
    default: true
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Show the group of the site
  ansible.builtin.debug:
    msg: "{{ (looked | sovereign.vllm.rollout_site(true)).group }}"
"""

RETURN = r"""
_value:
  description: The decision.
  type: dict
  contains:
    group:
      description: One of V(lora_ready), V(lora_offline), V(lora_not_declared), V(lora_not_approved) and V(lora_misplaced). In a site of the
        last group, a variable that shapes the play is set for the host.
      type: str
    unknown:
      description: Reasons why it is not known what to restore if the rollout fails. If there is one, the site is not changed.
      type: list
      elements: str
"""

from collections.abc import Mapping

from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain
from ansible_collections.sovereign.vllm.plugins.plugin_utils._rollout.waves import group_of, unknown_of


class FilterModule:
    def filters(self) -> dict:
        return {"rollout_site": rollout_site}


def rollout_site(looked: Mapping, declared: bool, approved: bool = True) -> dict:
    """Return the group of the site, and why it is not known what to restore there."""
    looked = plain(looked)
    return wrap_var({"group": group_of(looked, declared, approved), "unknown": unknown_of(looked)})
