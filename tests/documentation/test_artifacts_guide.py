# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artifacts guide shows works as written, on one node."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import yaml
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import inspect_artifact

from tests.stand_in import StandIn
from tests.support.guide import Guide, shell
from tests.support.playbook import IN_WORKER
from tests.support.server import Server

UNTRIED = {"# vllm.service": "see tests/integration/test_role.py"}
DOWNLOADS = ("lora_adapters:", "lora_source_mirrors:", "lora_source_credentials:")
UNTRIED |= dict.fromkeys(DOWNLOADS, "see tests/integration/test_sources.py and tests/sources")
CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}")


def test_what_is_shown(examples: Path, tmp_path: Path) -> None:
    for name, form in (("adapters/support-de", "gztar"), ("sql", "zip")):
        shutil.make_archive(str(tmp_path / name), form, examples / "first")
    with (
        StandIn() as server,
        Guide("artifacts_guide", UNTRIED) as guide,
    ):
        places = {
            "/srv/lora": str(tmp_path / "store"),
            "/media/usb": str(tmp_path),
            "become: true": "become: false",
        }
        site = guide.write("site.yml", tmp_path, places)
        # This machine is the node.
        here = "\n      ".join(f'{name}: "{value}"' for name, value in IN_WORKER.items())
        address = {"http://10.0.0.11:8000": server.url, "ansible_host: 10.0.0.11": here}
        guide.write("inventory.yml", tmp_path, address)
        look = guide.take("ansible-playbook -i inventory.yml site.yml --check").strip()
        play = look.replace(" --check --diff", "")
        assert "sha256" in shell(play, tmp_path, rc=2)  # other bytes than were announced
        assert not server.writes
        digest = inspect_artifact(str(examples / "first"))["digest"]
        shutil.copytree(examples / "first", tmp_path / "adapters" / "support-de")
        assert digest == f"sha256:{shell(guide.take('cd adapters/'), tmp_path).split()[0]}"
        site.write_text(CHECKSUM.sub(digest, site.read_text()))
        shell(play, tmp_path)
        assert set(Server(server.url).served()) == {"support-de", "sql"}
        assert '"{{ inventory_dir }}/adapters/support-de.tar.gz"' in guide.text
        assert "changed=0" in shell(look, tmp_path)

        variables = yaml.safe_load(site.read_text())[0]["roles"][0]["vars"]
        for beginning in ("lora_store: ", "lora_store_hosts", "lora_boot_file"):
            variables |= yaml.safe_load(guide.take(beginning))
        variables["lora_adapters"][0]["src"] = "{{ inventory_dir }}/adapters/support-de.tar.gz"
        del variables["lora_boot_unit"]  # there is no systemd here
        variables["lora_boot_file"] = str(tmp_path / "vllm.env")
        variables["lora_store"] = variables["lora_server_store"] = str(tmp_path / "moved")
        (tmp_path / "group_vars").mkdir()
        (tmp_path / "group_vars" / "vllm.yml").write_text(json.dumps(variables))
        shell(guide.take("ansible-playbook -i inventory.yml sovereign.vllm.converge"), tmp_path)
        served = Server(server.url).served()
        assert all(root.startswith(str(tmp_path / "moved")) for root in served.values())
        assert f"sql={served['sql']}" in (tmp_path / "vllm.env").read_text()

        # What nobody has approved yet is not done.
        shell("ansible-playbook -i inventory.yml sovereign.vllm.drift_audit", tmp_path)
        Server(server.url).unload("sql")
        approved = guide.take("ansible-playbook -i inventory.yml sovereign.vllm.converge -e lora_approved")
        refused = shell(approved, tmp_path, rc=2)
        assert "plan_changed" in refused
        assert set(Server(server.url).served()) == {"support-de"}
        shell("ansible-playbook -i inventory.yml sovereign.vllm.drift_audit", tmp_path)
        assert "Wave 1 of 1" in shell(approved, tmp_path)
        assert Server(server.url).served() == served
