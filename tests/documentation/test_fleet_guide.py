# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fleet guide shows works as written, with a site that is away and one that has a key of its own."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import yaml

from tests.stand_in import StandIn
from tests.support.guide import Guide, shell
from tests.support.inventory import Inventory
from tests.support.server import Server

KEYS = {"VLLM_API_KEY": "sk-shared", "HARBOUR_KEY": "sk-harbour"}
SITES = ("edge01", "edge02", "edge03", "harbour")


def _servers() -> dict[str, StandIn]:
    keys = {"harbour": KEYS["HARBOUR_KEY"]}
    return {site: StandIn(api_key=keys.get(site, KEYS["VLLM_API_KEY"])).start() for site in SITES}


def test_what_is_shown(examples: Path, tmp_path: Path) -> None:
    store = tmp_path / "srv"
    for path in ("sql/4f2a9c01d7be", "customs/90be11c2a7d4"):
        shutil.copytree(examples / "first", store / path)
    servers = _servers()
    servers["edge03"].kill()
    try:
        with Guide("fleet_guide") as guide:
            _write_sites(guide, tmp_path, {site: server.url for site, server in servers.items()})
            for name in ("group_vars/vllm.yml", "host_vars/harbour.yml"):
                guide.write(f"inventory/{name}", tmp_path, {"/srv/adapters": str(store)})
            _look_audit_and_converge(guide, tmp_path, servers)
            _add_to_known_hosts(guide, tmp_path, servers["edge01"].url)
    finally:
        for server in servers.values():
            server.close()


def _write_sites(guide: Guide, directory: Path, urls: dict[str, str]) -> None:
    file = guide.write("inventory/sites.vllm.yml", directory)
    options = yaml.safe_load(file.read_text())
    edges, harbour = options["endpoints"]
    assert edges == {"name": "edge[01:03]", "base_url": "http://edge[01:03].example.org:8000"}
    options["endpoints"] = [{"name": site, "base_url": urls[site]} for site in SITES[:3]]
    options["endpoints"].append({**harbour, "base_url": urls["harbour"]})
    file.write_text(json.dumps(options))


def _look_audit_and_converge(guide: Guide, directory: Path, servers: dict[str, StandIn]) -> None:
    def run(command: str, rc: int = 0) -> str:
        return shell(command, directory, rc, KEYS)

    graph, host = guide.take("ansible-inventory").splitlines()
    assert re.search(r"@vllm_unreachable:\n\W*edge03\n", run(graph))
    assert re.search(r"@north:\n\W*harbour\n", run(graph))
    assert '"vllm_reachable": true' in run(host)
    audit, converge = guide.take("ansible-playbook -i inventory sovereign.vllm.drift_audit\n").splitlines()
    run(audit)
    report = json.loads((directory / "drift_report" / "drift.json").read_text())["sites"]
    assert {site["name"]: site["verdict"] for site in report} == {
        "edge01": "drifted",
        "edge02": "drifted",
        "edge03": "unreachable",
        "harbour": "drifted",  # which only its own key can tell
    }
    run(converge)
    assert sorted(Server(servers["harbour"].url, KEYS["HARBOUR_KEY"]).served()) == ["customs", "sql"]
    assert sorted(Server(servers["edge02"].url, KEYS["VLLM_API_KEY"]).served()) == ["sql"]
    run(audit)
    report = json.loads((directory / "drift_report" / "drift.json").read_text())["summary"]
    assert (report["in_sync"], report["unreachable"]) == (3, 1)

    Server(servers["harbour"].url, KEYS["HARBOUR_KEY"]).unload("customs")  # which harbour alone is to serve
    guide.write("drifted.yml", directory)
    told = run(guide.take("ansible-playbook -i inventory drifted.yml"))
    assert re.findall(r'"(\w+)"', told.split('"msg"')[1].split("]")[0]) == ["harbour"]


def _add_to_known_hosts(guide: Guide, directory: Path, url: str) -> None:
    hosts = guide.write("fleet/10-hosts.yml", directory)
    file = guide.write("fleet/20-servers.vllm.yml", directory)
    options = yaml.safe_load(file.read_text()) | {"timeout": 1}
    hosts.write_text(hosts.read_text().replace("10.0.0.11", "127.0.0.1").replace("10.0.0.12", "127.0.0.1"))
    options["from_hosts"]["base_url"] = options["from_hosts"]["base_url"].replace("8000", url.rpartition(":")[2])
    listing = Inventory(directory / "listing", options, [hosts]).list(environment=KEYS)
    assert listing["gpu1"]["vllm_reachable"]
    assert listing["gpu1"]["vllm_base_url"] == url
    assert listing["gpu2"]["vllm_base_url"] == "http://127.0.0.1:8001"
