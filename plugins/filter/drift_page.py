# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: drift_page
short_description: Show a drift report as one HTML page
version_added: 1.0.0
description:
  - Makes a page from the report of P(sovereign.vllm.drift_report#filter). The page needs no other file and no network.
  - It begins with the sites that are not in sync, each with the reason and with what a converge would do. The table of all sites by
    adapters, in the groups of the inventory, is folded.
  - It can be read on a phone, in print, and with a screen reader. Without scripts, filter and sorting are missing, and times are in UTC.
positional: title
options:
  _input:
    description: The report.
    type: dict
    required: true
  title:
    description: Title of the page.
    type: str
    default: LoRA adapters of the fleet
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Write the page
  ansible.builtin.copy:
    content: "{{ fleet | sovereign.vllm.drift_page }}"
    dest: /srv/reports/drift.html
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The page.
  type: str
"""

from collections.abc import Mapping

from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.page import page


class FilterModule:
    def filters(self) -> dict:
        return {"drift_page": drift_page}


def drift_page(fleet: Mapping, title: str = "LoRA adapters of the fleet") -> str:
    """Return the page."""
    return wrap_var(page(fleet, title))
