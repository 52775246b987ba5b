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
  - The roles and playbooks of this collection use it for their own variables. It is not meant for other playbooks, and its
    options can change with any release.
  - Variables are text if they come from C(-e name=value), from a survey of AWX, or from an inventory in INI. The specification
    of a role only checks that text, and leaves it as it is. This action returns what the text means.
  - Text that cannot be converted, and a variable that cannot be resolved, are errors that name the variable.
  - Empty text is taken as not given, unless the option takes any text.
  - It runs on the controller, and asks no host.
extends_documentation_fragment:
  - sovereign.vllm._attributes
  - sovereign.vllm._attributes.info
attributes:
  async:
    support: none
  platform:
    details: It runs on the controller.
options:
  role:
    description: Name of a role of this collection, whose options are read.
    type: str
  options:
    description: More options, by the names of their variables, each as in the specification of a role.
    type: dict
    default: {}
  prefix:
    description:
      - Prefix of the variables, which is cut off in RV(settings). By default the name of the role and C(_).
      - Required unless O(role) is given.
    type: str
  sources:
    description: For each setting that several variables can give, their names. The first one that is given wins.
    type: dict
    default: {}
  declaration:
    description: Name of the setting that holds declared adapters.
    type: str
  secrets:
    description: Names of settings that are not returned, because they hold secrets.
    type: list
    elements: str
    default: []
  require:
    description: Whether a variable that is required and missing is an error.
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
  description: The settings that are given or have a default, by the names of their variables without the prefix.
  returned: success
  type: dict
  sample: {directory: drift_report, fail_on: [drifted], prune: true}
msg:
  description: Which variable cannot be used, why, and what to do.
  returned: on failure
  type: str
  sample: "lora_adapters_keep is 'few'; give a whole number."
error:
  description: The failure for machines, with the keys that M(sovereign.vllm.vllm_lora_adapters) returns.
  returned: on failure
  type: dict
"""
