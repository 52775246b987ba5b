# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source needs neither Ansible nor requests."""

from __future__ import annotations

import subprocess
import sys

from .source import collection

LOAD = """
import runpy, sys
runpy.run_path(sys.argv[1])["_watching"]()
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_event_source_loads_neither_ansible_nor_requests():
    source = collection() / "extensions/eda/plugins/event_source/drift.py"
    run = subprocess.run([sys.executable, "-c", LOAD, source], check=True, capture_output=True, text=True)
    loaded = set(run.stdout.split())
    assert {"aiohttp", "sovereign_vllm"} <= loaded
    assert not {"ansible", "ansible_collections", "ansible_rulebook", "requests", "urllib3"} & loaded
