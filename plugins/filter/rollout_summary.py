# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_summary
short_description: Tell how a rollout ended at each site
version_added: 1.0.0
description:
  - Sorts the sites of a rollout by their outcome. The playbook C(sovereign.vllm.converge) uses it.
positional: hostvars, groups
options:
  _input:
    description: Names of all sites, in the order of the inventory.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variable C(hostvars), with the facts of the playbook.
    type: dict
    required: true
  groups:
    description: The variable C(groups).
    type: dict
    required: true
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Show how the rollout ended
  ansible.builtin.debug:
    msg: "{{ (groups.vllm | sovereign.vllm.rollout_summary(hostvars, groups)).lines }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The outcome.
  type: dict
  contains:
    sites:
      description: Lists of names, C(changed), C(unchanged), C(failed), C(lost) for sites that left the play during their wave, C(restored),
        C(not_restored), C(offline), C(not_tried), C(not_declared) and C(not_approved). A site that failed and was restored
        is in both lists.
      type: dict
    lines:
      description: The outcome as text. The first line has the figures.
      type: list
      elements: str
      sample: ["3 sites: 1 changed, 1 failed, 1 restored, 1 not tried", "changed: edge01"]
"""

from collections.abc import Collection, Mapping, Sequence

from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain
from ansible_collections.sovereign.vllm.plugins.plugin_utils._rollout.waves import LEFT_ALONE, ended_as, lines_of


class FilterModule:
    def filters(self) -> dict:
        return {"rollout_summary": rollout_summary}


def rollout_summary(sites: Sequence[str], hostvars: Mapping, groups: Mapping[str, Collection[str]]) -> dict:
    """Return the sites by their outcome, and the outcome as text."""
    sites = plain(sites)
    outcome = ended_as(hostvars, sites, {name: set(groups.get(group, ())) for name, group in LEFT_ALONE.items()})
    return wrap_var({"sites": outcome, "lines": lines_of(outcome, len(sites))})
