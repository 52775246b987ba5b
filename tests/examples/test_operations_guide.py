# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the operations guide do what it says, one after the other, on a fleet that has drifted."""

from __future__ import annotations

import json
import re
import time
from contextlib import ExitStack
from pathlib import Path

import yaml

from tests.examples.conftest import EXAMPLES
from tests.examples.fleet import KEY, Fleet
from tests.support.guide import Guide, shell

FILES = ("inventory/sites.vllm.yml", "inventory/group_vars/vllm.yml")
NOT_RUN = {"*/15": "is for cron"}


def test_the_files_shown_are_those_of_the_example() -> None:
    for name in FILES:
        shown = Guide("operations_guide").take(f"# {name}: ")
        assert yaml.safe_load(shown) == yaml.safe_load((EXAMPLES / "awx" / "project" / name).read_text())


def test_the_commands_shown(tmp_path: Path, examples: Path) -> None:
    files = dict.fromkeys((f"# {name}: " for name in FILES), "above")
    with Guide("operations_guide", NOT_RUN | files) as guide:
        commands = "".join(guide.take("ansible-") for _block in range(6)).splitlines()
        drain = guide.take("# group_vars/vllm.yml, for requests")
        cache = guide.take("cache: true").replace("/var/cache/ansible-vllm", str(tmp_path / "seen"))
    graph, host, audit, look, converge, one, reachable, waves, prune = commands
    with ExitStack() as servers:
        fleet = Fleet(tmp_path / "project", examples, servers)
        sites = tmp_path / "project" / "inventory" / "sites.vllm.yml"
        with (sites.parent / "group_vars" / "vllm.yml").open("a") as variables:
            variables.write(drain)
        sites.write_text(json.dumps(yaml.safe_load(sites.read_text()) | yaml.safe_load(cache)))

        def run(command: str, rc: int = 0) -> str:
            shown = shell(command, tmp_path / "project", rc, {"VLLM_API_KEY": KEY}, seconds=300)
            assert KEY not in shown
            return shown

        assert re.search(r"@vllm_unreachable:\n\W*edge04\n", run(graph))
        assert "4f2a9c01d7be" in run(host)
        run(audit)
        summary = json.loads((tmp_path / "project" / "reports" / "drift.json").read_text())["summary"]
        assert (summary["in_sync"], summary["drifted"], summary["unreachable"]) == (1, 2, 1)
        assert "+  - name: summaries" in run(look, rc=4)
        assert not fleet.written()
        run(one)
        assert fleet.written() == ["edge02"]
        run(converge, rc=4)
        assert fleet.written() == ["edge02", "edge03"]
        assert all(fleet.served(site).items() >= fleet.declared.items() for site in ("edge01", "edge02", "edge03"))
        for server in fleet.servers.values():
            server.clear_log()
        run(reachable)
        run(waves, rc=4)
        assert "1 // 0" in run(prune, rc=4)
        assert not fleet.written()

        fleet.servers["edge01"].kill()
        time.sleep(yaml.safe_load(cache)["cache_timeout"])
        last_seen = json.loads(run(host))
        assert (last_seen["vllm_reachable"], last_seen["vllm_stale"]) == (False, True)
        assert "4f2a9c01d7be" in json.dumps(last_seen["vllm_served_adapters"])
