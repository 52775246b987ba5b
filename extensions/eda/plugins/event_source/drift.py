# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event source for ansible-rulebook: reports when vLLM servers drift from their declaration, and when they recover."""

from __future__ import annotations

import asyncio
import importlib
import sys
from pathlib import Path
from types import ModuleType

DOCUMENTATION = r"""
short_description: Report when a vLLM server drifts from its declared LoRA adapters, and when it cannot be reached
description:
  - Reads the model list of each endpoint at an interval and compares it with the declaration, with the same code as
    M(sovereign.vllm.vllm_lora_adapters). It never writes to a server. Only with O(fingerprints) it sends completions.
  - Emits one event for each change of state. The event guide of the collection describes all fields.
  - Asks all endpoints independently, so a dead one does not delay the others.
options:
  declaration_file:
    description:
      - File with the endpoints and their adapters, in YAML, or in JSON if its name ends in C(.json).
      - It is read again when it changes. While it is missing or malformed, the last good version stays in use.
    type: path
    required: true
  interval:
    description: Seconds between two observations of one endpoint.
    type: float
    default: 30
  jitter:
    description: Fraction of the interval by which it is varied at random, so that a fleet is not asked in step.
    type: float
    default: 0.1
  debounce:
    description:
      - Number of consecutive observations that must agree before a change of state is reported.
      - The observations after the first are a tenth of the interval apart, so that confirming takes little time.
      - If the declaration of the endpoint changes, the count starts again.
    type: int
    default: 2
  repeat_after:
    description:
      - Seconds after which a drift that lasts is reported again, so that a failed remedy is tried again. By default
        nothing is reported twice.
    type: float
  fingerprints:
    description:
      - Directory with the fingerprints that the role P(sovereign.vllm.lora#role) records, its O(sovereign.vllm.lora#role:main:lora_fingerprints). The
        file of an endpoint has its name, C(<name>.json). By default, no weights are compared.
      - The source asks each adapter that is served as declared for one token for each prompt, and up to three times if it answers
        in another way than recorded. The drift of such an adapter is C(weights).
      - An adapter is compared only if its path, the base model and the release are those of the fingerprint.
    type: path
  weights_interval:
    description: Seconds between two comparisons of the weights of one endpoint. If the list of the served adapters changes, they are
      compared at once.
    type: float
    default: 3600
"""

EXAMPLES = r"""
- name: Watch the adapters of all sites
  hosts: localhost
  sources:
    - name: Adapters
      sovereign.vllm.drift:
        declaration_file: /etc/vllm/declaration.yml
        interval: 30
  rules:
    - name: Restore the declared adapters
      condition: event.drift.state == "drifted" and event.drift.server is not defined
      action:
        run_playbook:
          name: sovereign.vllm.heal
"""

# ansible-rulebook runs this one file, and cannot import `ansible_collections`. So the collection's root directory becomes a
# package of this name, from which the event source imports its own code and that of the modules.
_PACKAGE = "sovereign_vllm"


def _watching() -> ModuleType:
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
