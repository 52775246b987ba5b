# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: wave_verdict
short_description: Decide whether a wave of a rollout has failed
version_added: 1.0.0
description:
  - Counts the sites of a wave that failed or were lost on the way. Sites that were offline when the wave began do not count.
  - The playbook C(sovereign.vllm.converge) uses it.
positional: hostvars, running
options:
  _input:
    description: Names of the hosts of the wave.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variable C(hostvars). A host has failed if it has the fact C(lora_failure).
    type: dict
    required: true
  running:
    description: Names of the hosts that are still in the play, as C(ansible_play_hosts).
    type: list
    elements: str
    required: true
  offline:
    description: Names of the hosts that were offline when the wave began.
    type: list
    elements: str
    default: []
  max_fail_percentage:
    description: Share of the sites that may fail, in percent.
    type: float
    default: 0
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Stop if the wave has failed
  ansible.builtin.assert:
    that: not (ansible_play_batch | sovereign.vllm.wave_verdict(hostvars, ansible_play_hosts, max_fail_percentage=25)).stop
"""

RETURN = r"""
_value:
  description: The verdict.
  type: dict
  contains:
    failed:
      description: Names of the hosts that failed.
      type: list
      elements: str
    lost:
      description: Names of the hosts that left the play after the wave began.
      type: list
      elements: str
    stop:
      description: True if more sites failed or were lost than O(max_fail_percentage) allows.
      type: bool
    ends:
      description: True if the play ends with this wave, since the rollout stops or no host of the wave is left.
      type: bool
"""

from collections.abc import Collection, Mapping, Sequence


class FilterModule:
    def filters(self) -> dict:
        return {"wave_verdict": wave_verdict}


def wave_verdict(
    wave: Sequence[str],
    hostvars: Mapping,
    running: Collection[str],
    offline: Collection[str] = (),
    max_fail_percentage: float = 0,
) -> dict:
    """Return the hosts that failed or were lost, and whether they are too many."""
    sites = [host for host in wave if host not in offline]
    lost = [host for host in sites if host not in running]
    failed = [host for host in sites if host in running and "lora_failure" in hostvars[host]]
    stop = 100 * len(failed + lost) > max_fail_percentage * len(sites)
    return {"failed": failed, "lost": lost, "stop": stop, "ends": stop or len(failed + lost) == len(wave)}
