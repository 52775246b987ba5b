#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_agent_environment
short_description: Install the environment of the agent on a node without a network
version_added: 1.0.0
description:
  - The role P(sovereign.vllm.agent#role) installs with this module. Other playbooks should not use it, since its options can
    change with any release.
  - Makes a virtual environment from carried wheels, installs the collection from its tarball, and switches to this environment at
    once. The former environment is used until then, and removed afterwards.
  - The files are sent only if the node does not have the environment that they make.
  - While the module installs or removes, it holds the lock of the node. It fails with the code C(site_busy) if the agent or the
    playbook C(sovereign.vllm.apply_bundle) runs.
extends_documentation_fragment:
  - sovereign.vllm._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  async:
    support: none
options:
  directory:
    description: Directory of the agent on the node.
    type: path
    required: true
  wheels:
    description: Directory on the controller with wheels of C(ansible-core), C(requests) and everything that they need. With a
      wheel of C(pip), the Python of the node needs no pip of its own.
    type: path
  collection:
    description: Tarball of this collection on the controller, or a directory with it.
    type: path
  python:
    description: Python of the node, 3.10 or later, with which the environment is made. By default, it is the Python that runs the
      module.
    type: str
  state:
    description: V(absent) removes the environment.
    type: str
    choices: [present, absent]
    default: present
  stamp:
    description: Identity of the carried files. The action sets it.
    type: str
  archive:
    description: The carried files on the node. The action sends them.
    type: path
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Install the environment
  sovereign.vllm.vllm_agent_environment:
    directory: /var/lib/sovereign_vllm
    wheels: carry/wheels
    collection: carry/sovereign-vllm-1.0.0.tar.gz
"""

RETURN = r"""
ready:
  description: Whether the environment is there.
  returned: success
  type: bool
environment:
  description: Directory of the environment.
  returned: if it is to be present
  type: str
  sample: /var/lib/sovereign_vllm/environments/4f2a9c01d7be
program:
  description: The program of the agent.
  returned: if it is to be present
  type: str
  sample: /var/lib/sovereign_vllm/venv/bin/sovereign-vllm-agent
msg:
  description: "The error: the problem and the advice."
  returned: on failure
  type: str
error:
  description: The error for playbooks, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
  returned: on failure
  type: dict
"""

from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.environment import AgentEnvironment
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.operation import run_module


def main() -> None:
    run_module(AgentEnvironment())


if __name__ == "__main__":
    main()
