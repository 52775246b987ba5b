#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_role_settings
short_description: Read the variables of a role of this collection in their types
version_added: 1.0.0
description:
  - The roles and playbooks of this collection read their own variables with this module. Other playbooks should not use it,
    since its options can change with any release.
  - Variables are text if they come from C(-e name=value), from a survey of AWX, or from an inventory in INI. The specification
    of a role only checks that text and does not convert it. This module returns the values in their types.
  - Text that cannot be converted, and a variable that cannot be resolved, are errors that name the variable.
  - Empty text counts as not set, unless the option takes any text.
  - The module runs on the controller and contacts no host.
extends_documentation_fragment:
  - sovereign.vllm._attributes.controller
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.info
options:
  role:
    description: Name of a role of this collection. The module reads the options of this role.
    type: str
  options:
    description: Further options, by the names of their variables, each as in the specification of a role.
    type: dict
    default: {}
  prefix:
    description:
      - Prefix of the variables. RV(settings) has the names without the prefix. By default the name of the role and C(_).
      - Required unless O(role) is given.
    type: str
  declaration:
    description: Name of the setting that holds declared adapters.
    type: str
  report:
    description: Name of the setting that holds the path of an audit's report, relative to where the playbook is started. The
      setting becomes a dictionary with the plan of each site that the report could judge.
    type: str
  play_variables:
    description: Names of variables that shape a play, such as one for the keyword C(serial). Ansible reads them before the
      variables of any host, so it is an error if the host or a group sets one. C(-e), surveys and the variables of the play may
      set them.
    type: list
    elements: str
    default: []
  require:
    description: Whether to fail if a required variable is missing.
    type: bool
    default: true
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Read the variables of the role
  sovereign.vllm.vllm_role_settings:
    role: drift_report
  register: drift_report_read
"""

RETURN = r"""
settings:
  description: The settings with a value or a default, by the names of their variables without the prefix.
  returned: success
  type: dict
  sample: {directory: drift_report, fail_on: [drifted], prune: true}
misplaced:
  description: The names of O(play_variables) that the host or a group sets.
  returned: on failure
  type: list
  elements: str
  sample: []
msg:
  description: "The error: the variable, the problem and the advice."
  returned: on failure
  type: str
  sample: "lora_keep is 'few'; give a whole number."
error:
  description: The error for playbooks, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
  returned: on failure
  type: dict
"""
