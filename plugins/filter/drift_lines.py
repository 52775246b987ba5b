# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: drift_lines
short_description: Show a drift report as lines of text
version_added: 1.0.0
description:
  - Makes lines of text from the report of P(sovereign.vllm.drift_report#filter). The first line counts the sites. Each site
    that is not in sync has another line, with its differences or the reason why it was not audited.
options:
  _input:
    description: The report.
    type: dict
    required: true
seealso:
  - plugin: sovereign.vllm.drift_report
    plugin_type: filter
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Show the drift of the fleet
  ansible.builtin.debug:
    msg: "{{ fleet | sovereign.vllm.drift_lines }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
  sample:
    - "2 sites: 1 in sync, 1 drifted, 0 unreachable, 0 not audited, 0 not declared."
    - "edge2 (vLLM 0.32.0): drifted: sql is served from /srv/adapters/sql/90be11c2a7d4, and is declared at /srv/adapters/sql/4f2a9c01d7be"
"""

from collections.abc import Mapping

from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.text import lines


class FilterModule:
    def filters(self) -> dict:
        return {"drift_lines": drift_lines}


def drift_lines(fleet: Mapping) -> list[str]:
    """Return the lines."""
    return wrap_var(lines(fleet))
