# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audit guide shows finds drift, and writes nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import yaml

from tests.support.guide import Guide, shell
from tests.vllm_stand_in import StandIn

QUICKSTART = Path(__file__).parents[1] / "demo" / "quickstart"


def test_what_is_shown(examples: Path, tmp_path: Path) -> None:
    declared = [{"name": name, "path": str(examples / name)} for name in ("first", "second")]
    with StandIn(static={"first": examples / "first"}) as server, Guide("audit_guide") as guide:
        sites = {"plugin": "sovereign.vllm.vllm", "endpoints": [{"name": "edge1", "base_url": server.url}]}
        (tmp_path / "sites.vllm.yml").write_text(json.dumps(sites))
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "lora_adapters_adapters": declared,
        }
        (tmp_path / "group_vars").mkdir()
        (tmp_path / "group_vars" / "vllm.yml").write_text(json.dumps(variables))
        shutil.copy(QUICKSTART / "site.yml", tmp_path)

        assert "+  - name: second" in shell(guide.take("ansible-playbook -i sites.vllm.yml site.yml"), tmp_path)
        shell(guide.take("ansible-playbook -i sites.vllm.yml sovereign.vllm.drift_audit"), tmp_path)
        assert _verdict(tmp_path) == ("drifted", "missing")

        guide.write("audit.yml", tmp_path)
        assert "Drifted: second" in shell("ansible-playbook -i sites.vllm.yml audit.yml", tmp_path, rc=2)

        shutil.rmtree(tmp_path / "drift_report")
        role = yaml.safe_load((tmp_path / "group_vars" / "vllm.yml").read_text())
        artifact = {"name": "second", "src": str(examples / "second")}
        role |= {"lora_adapters_adapters": [declared[0], artifact], "lora_adapters_store": str(tmp_path / "store")}
        (tmp_path / "group_vars" / "vllm.yml").write_text(json.dumps(role))
        guide.write("artifacts.yml", tmp_path)
        shell("ansible-playbook -i sites.vllm.yml artifacts.yml", tmp_path)
        assert _verdict(tmp_path) == ("drifted", "missing")
        assert not (tmp_path / "store").exists()

        assert not server.writes
        server.load("second", examples / "second")
        (tmp_path / "group_vars" / "vllm.yml").write_text(json.dumps(variables))
        shell("ansible-playbook -i sites.vllm.yml audit.yml", tmp_path)


def _verdict(directory: Path) -> tuple[str, str]:
    """Of the only site, and of the adapter `second`."""
    (site,) = json.loads((directory / "drift_report" / "drift.json").read_text())["sites"]
    (second,) = (adapter for adapter in site["adapters"] if adapter["name"] == "second")
    return site["verdict"], second["drift"]
