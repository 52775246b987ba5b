# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""While a server loads an adapter for long, a line says so, on stderr."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.stand_in import Fault
from tests.support.environment import clean_environment
from tests.support.playbook import ANSIBLE_PLAYBOOK, AS_MODULE, IN_WORKER

from .conftest import NewSite

PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"name": "Serve", "sovereign.vllm.vllm_lora_adapters": {"adapters": "{{ lora_adapters }}"}}],
    }
]
SAID = {
    "slow": r"slow: loading adapter 'sql' for \d+ s, limit 60 s",
    "swapped": r"swapped: rehearsing adapter 'sql' for \d+ s, limit 60 s",
    "cut": r"cut: looking for adapter 'sql' in the list of models for \d+ s, limit 2 s",
    "node": r"node: loading and unloading adapters from the host for \d+ s, limit 60 s for each load",
}


def test_a_line_says_which_site_loads_which_adapter(new_site: NewSite, tmp_path: Path) -> None:
    slow, swapped, cut, node = (new_site() for _site in range(4))
    for site in (slow, swapped, node):
        site.watched.on_request = lambda request: time.sleep(2) if "load_lora" in request.path else None
    swapped.server.load("sql", swapped.artifact("old"))
    cut.watched.faults.add(Fault("POST", "/v1/load_lora_adapter", "reset"))
    hosts: dict[str, dict[str, Any]] = {
        "slow": IN_WORKER,
        "swapped": IN_WORKER,
        "cut": {**IN_WORKER, "vllm_load_timeout": 2, "vllm_timeout": 2},
        "node": AS_MODULE,
    }
    for (name, host), site in zip(hosts.items(), (slow, swapped, cut, node), strict=True):
        declared = [{"name": "sql", "path": site.artifact("sql")}]
        hosts[name] = {"vllm_load_timeout": 60, **host, "vllm_base_url": site.watched.url, "lora_adapters": declared}
    (tmp_path / "sites.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    (tmp_path / "play.json").write_text(json.dumps(PLAY))
    environment = {**clean_environment(tmp_path), "_SOVEREIGN_VLLM_INTERVAL": "0.2"}
    run = subprocess.run(
        [ANSIBLE_PLAYBOOK, "-i", "sites.json", "play.json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    for host, line in SAID.items():
        assert re.search(f"^{line}$", run.stderr, re.MULTILINE), (host, run.stdout, run.stderr)
        assert not re.search(line, run.stdout), "the output of a callback stays what it is"
