# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event source for ansible-rulebook: tells when vLLM servers stop or start serving what is declared for them."""

from __future__ import annotations

import asyncio
import importlib
import sys
from pathlib import Path
from types import ModuleType

DOCUMENTATION = r"""
short_description: Tell when a vLLM server drifts from its declared LoRA adapters, and when it cannot be reached
description:
  - Reads the model list of every declared endpoint at an interval and compares it with what is declared, by the same
    code as M(sovereign.vllm.vllm_lora_adapters). It never writes to a server.
  - One event is emitted for each change of state. All fields are described in the event guide of the collection.
  - Endpoints are asked independently of each other, so a dead one does not delay the others.
options:
  declaration:
    description:
      - File with the endpoints and their adapters, in YAML, or in JSON if its name ends in C(.json).
      - It is read again when it changes. While it is missing or malformed, the last good one stays in force.
    type: path
    required: true
  interval:
    description: Seconds between two observations of one endpoint.
    type: float
    default: 30
  jitter:
    description: How much each interval is varied at random, as a fraction of it, so that a fleet is not asked in step.
    type: float
    default: 0.1
  debounce:
    description:
      - Number of consecutive observations that must agree before a change of state is told.
      - Those after the first are made a tenth of the interval apart, so that confirming takes little time.
      - When the declaration of the endpoint changes, they are counted anew.
    type: int
    default: 2
  repeat_after:
    description:
      - Tell a drift that lasts again when this many seconds have passed since it was told, so that a failed remedy is
        tried again. By default nothing is told twice.
    type: float
"""

EXAMPLES = r"""
- name: Watch the adapters of all sites
  hosts: localhost
  sources:
    - name: Adapters
      sovereign.vllm.drift:
        declaration: /etc/vllm/declaration.yml
        interval: 30
  rules:
    - name: Restore what is declared
      condition: event.drift.state == "drifted" and event.drift.error is not defined
      action:
        run_playbook:
          name: sovereign.vllm.heal
"""

# A name of our own, since ansible-rulebook knows no `ansible_collections`.
_PACKAGE = "sovereign_vllm"


def _watching() -> ModuleType:
    """Import the code beside this file, and with it that of the collection's modules.

    ansible-rulebook runs this one file and knows no packages, so the collection's root directory is made one.
    """
    if _PACKAGE not in sys.modules:
        package = ModuleType(_PACKAGE)
        package.__path__ = [str(Path(__file__).resolve().parents[4])]
        sys.modules[_PACKAGE] = package
    return importlib.import_module(f"{_PACKAGE}.extensions.eda.plugins.module_utils._watch")


async def main(queue: asyncio.Queue, args: dict) -> None:
    """Put events into the queue until cancelled.

    :raises VllmError: ``invalid_request`` when an option cannot be used.
    """
    await _watching().watch(queue, args)
