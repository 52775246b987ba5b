# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_wave
short_description: Find the wave of a site in a rollout
version_added: 1.0.0
description:
  - Divides the hosts of a play into waves, as Ansible does with the keyword C(serial), and returns the wave of one host.
  - The playbook C(sovereign.vllm.converge) uses it.
positional: host, serial
options:
  _input:
    description: Names of all hosts of the play, as C(ansible_play_hosts_all).
    type: list
    elements: str
    required: true
  host:
    description: Name of one of these hosts.
    type: str
    required: true
  serial:
    description: Sizes of the waves, as P(sovereign.vllm.rollout_sizes#filter) takes them.
    type: raw
    required: true
seealso:
  - plugin: sovereign.vllm.wave_verdict
    plugin_type: filter
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Show the wave
  ansible.builtin.debug:
    msg: "{{ (ansible_play_hosts_all | sovereign.vllm.rollout_wave(inventory_hostname, [1, '25%'])).line }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The wave.
  type: dict
  contains:
    hosts:
      description: Names of the hosts of the wave.
      type: list
      elements: str
    line:
      description: The wave as text.
      type: str
      sample: "Wave 2 of 6: edge07, edge08"
"""

from collections.abc import Sequence
from typing import Any

from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain
from ansible_collections.sovereign.vllm.plugins.plugin_utils._rollout.waves import waves_of


class FilterModule:
    def filters(self) -> dict:
        return {"rollout_wave": rollout_wave}


def rollout_wave(hosts: Sequence[str], host: str, serial: Any) -> dict:
    """Return the hosts of the wave, and the line that announces it."""
    waves = waves_of(plain(hosts), plain(serial))
    number, wave = next((number, wave) for number, wave in enumerate(waves, 1) if host in wave)
    return {"hosts": wave, "line": f"Wave {number} of {len(waves)}: {', '.join(wave)}"}
