# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audit guide shows finds drift, and writes nothing."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from tests.stand_in import StandIn
from tests.support.guide import Guide, shell
from tests.support.server import Server

OFF = {
    "node": ("unreachable", "connect to the host via ssh"),
    "server": ("unreachable", "the connection was refused"),
    "misspelled": (
        "not_declared",
        "its variable lora_adapters is not defined, but lora_adaptors is",
    ),
}
SITE = """\
- hosts: vllm
  gather_facts: false
  tasks:
    - name: Serve the declared adapters
      sovereign.vllm.vllm_lora_adapters:
        adapters: "{{ lora_adapters }}"
"""
NOT_RUN = {
    "# group_vars/vllm.yml": "is of a server that differs: see test_drift_audit.py",
    "ansible-playbook -i sites.vllm.yml sovereign.vllm.drift_audit -e drift_audit_weights": "is run by test_weights_guide.py",
    "# waivers.yml": "is of a fleet with such differences: see test_drift_audit.py",
}


def test_what_is_shown(examples: Path, tmp_path: Path) -> None:
    declared = [{"name": name, "path": str(examples / name)} for name in ("first", "second")]
    with StandIn(static={"first": examples / "first"}) as server, Guide("audit_guide", NOT_RUN) as guide:
        sites = {"plugin": "sovereign.vllm.vllm", "endpoints": [{"name": "edge1", "base_url": server.url}]}
        (tmp_path / "sites.vllm.yml").write_text(json.dumps(sites))
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "lora_adapters": declared,
        }
        (tmp_path / "group_vars").mkdir()
        (tmp_path / "group_vars" / "vllm.yml").write_text(json.dumps(variables))
        (tmp_path / "site.yml").write_text(SITE)

        assert "+  - name: second" in shell(guide.take("ansible-playbook -i sites.vllm.yml site.yml"), tmp_path)
        shell(guide.take("ansible-playbook -i sites.vllm.yml sovereign.vllm.drift_audit"), tmp_path)
        assert _verdict(tmp_path) == ("drifted", "missing")
        assert _sites(tmp_path)[0]["since"] is None
        remembered = guide.take("ansible-playbook -i sites.vllm.yml sovereign.vllm.drift_audit")
        told = shell(f"{remembered.strip()} -e drift_report_textfile=vllm.prom".replace("/var/lib/", ""), tmp_path)
        assert f"edge1 (vLLM 0.32.0): drifted since {_sites(tmp_path)[0]['since']}: second is not served" in told
        alerts, metrics = guide.take("sovereign_vllm_"), (tmp_path / "vllm.prom").read_text()
        for name in re.findall(r"sovereign_vllm_\w+", alerts):
            assert f"# TYPE {name} gauge" in metrics
        # All metrics but that of findings are there, and only those that the guide lists.
        listed = set(re.findall(r"``(sovereign_vllm_\w+)", guide.text))
        assert listed == {*re.findall(r"^# TYPE (\w+)", metrics, re.MULTILINE), "sovereign_vllm_site_finding"}

        guide.write("audit.yml", tmp_path)
        assert "Drifted: second" in shell("ansible-playbook -i sites.vllm.yml audit.yml", tmp_path, rc=2)

        shutil.rmtree(tmp_path / "drift_report")
        role = yaml.safe_load((tmp_path / "group_vars" / "vllm.yml").read_text())
        artifact = {"name": "second", "src": str(examples / "second")}
        role |= {"lora_adapters": [declared[0], artifact], "lora_store": str(tmp_path / "store"), "lora_prune": True}
        (tmp_path / "group_vars" / "vllm.yml").write_text(json.dumps(role))
        _add_sites_that_are_off(tmp_path)
        server.load("rogue", examples / "first")
        everything = "-i sites.vllm.yml -i off.json -e drift_audit_hosts=all"
        shell(f"ansible-playbook {everything} sovereign.vllm.drift_audit", tmp_path)
        assert _verdict(tmp_path) == ("drifted", "missing")
        assert {cell["name"]: cell["drift"] for cell in _sites(tmp_path)[0]["adapters"]}["rogue"] == "unexpected"
        off = {site["name"]: (site["verdict"], site["reason"]) for site in _sites(tmp_path)[1:]}
        assert {name: verdict for name, (verdict, _reason) in off.items()} == {name: OFF[name][0] for name in OFF}
        for name, (_verdict_of_it, reason) in OFF.items():
            assert reason in off[name][1]
        assert not (tmp_path / "store").exists()

        assert not server.writes
        Server(server.url).unload("rogue")
        server.load("second", examples / "second")
        (tmp_path / "group_vars" / "vllm.yml").write_text(json.dumps(variables))
        shell("ansible-playbook -i sites.vllm.yml audit.yml", tmp_path)


def _add_sites_that_are_off(directory: Path) -> None:
    """One whose server is off, one that ssh does not reach, and one whose declaration is misspelled."""
    ssh = directory / "ssh"
    ssh.write_text("#!/bin/sh\nexit 255\n")
    ssh.chmod(0o755)
    hosts = {
        "server": {"vllm_base_url": "http://127.0.0.1:9"},
        "node": {
            "ansible_connection": "ssh",
            "ansible_ssh_executable": str(ssh),
            "vllm_base_url": "http://127.0.0.1:9",
        },
    }
    local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    other = {**local, "vllm_base_url": "http://127.0.0.1:9", "lora_adaptors": []}
    # Not in the group vllm, whose variables declare adapters.
    inventory = {"vllm": {"hosts": hosts}, "others": {"hosts": {"misspelled": other}}}
    (directory / "off.json").write_text(json.dumps(inventory))


def _sites(directory: Path) -> list[dict[str, Any]]:
    return json.loads((directory / "drift_report" / "drift.json").read_text())["sites"]


def _verdict(directory: Path) -> tuple[str, str]:
    """Of the site that answers, and of the adapter `second`."""
    site = _sites(directory)[0]
    (second,) = (adapter for adapter in site["adapters"] if adapter["name"] == "second")
    return site["verdict"], second["drift"]
