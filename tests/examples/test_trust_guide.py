# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guide to trust shows works as written, with the standard tool and the stand-in."""

from __future__ import annotations

import json
import os
import shutil
import textwrap
from pathlib import Path

import yaml
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.digest import directory_digest

from tests.stand_in import StandIn
from tests.support.guide import Guide, shell
from tests.support.playbook import ANSIBLE_PLAYBOOK, IN_WORKER
from tests.support.server import Server
from tests.support.signing import SIGNED
from tools import environments

PLAY = """
- hosts: vllm
  gather_facts: false
  roles: [sovereign.vllm.lora]
- hosts: vllm
  gather_facts: false
  tasks:
"""


def test_what_is_shown(examples: Path, tmp_path: Path) -> None:
    tools = os.pathsep.join(map(str, (environments.signing() / "bin", ANSIBLE_PLAYBOOK.parent)))
    path = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    adapter = tmp_path / "adapters" / "sql"
    shutil.copytree(examples / "first", adapter)
    (adapter / "README.md").write_text("---\nlicense: mit\n---\n")
    with StandIn() as server, Guide("trust_guide") as guide:
        shell(guide.take("openssl ecparam"), tmp_path, environment=path)
        variables = tmp_path / "group_vars" / "vllm"
        variables.mkdir(parents=True)
        for name in ("trust.yml", "revoked.yml"):
            (variables / name).write_text(guide.take(f"# group_vars/vllm/{name}"))
        (tmp_path / "keys").mkdir()
        shutil.copy(tmp_path / "release.pub", tmp_path / "keys")
        shutil.copy(SIGNED / "authority.pem", tmp_path / "keys")
        task = guide.take("- name: Verify an adapter").replace("/srv/incoming", "adapters")
        (tmp_path / "site.yml").write_text(PLAY + textwrap.indent(task, "    "))
        sql = {"name": "sql", "src": str(adapter)}
        host = {**IN_WORKER, "vllm_base_url": server.url, "lora_store": str(tmp_path / "store"), "lora_adapters": [sql]}
        (tmp_path / "sites.json").write_text(json.dumps({"vllm": {"hosts": {"edge1": host}}}))

        run = "ansible-playbook -i sites.json site.yml"
        shell(run, tmp_path, environment=path)
        served = Server(server.url).served()
        assert set(served) == {"sql"}
        (adapter / "README.md").write_text("---\nlicense: gpl-3.0\n---\n")
        assert "'README.md': the file was changed" in shell(run, tmp_path, 2, path)
        assert Server(server.url).served() == served

        assert yaml.safe_load((variables / "revoked.yml").read_text())["lora_revoked"]
        given = json.dumps({"lora_revoked": [directory_digest(str(adapter))], "lora_adapters": []})
        assert "is revoked: use another version" in shell(f"{run} -e '{given}'", tmp_path, 2, path)
        assert Server(server.url).served() == {}
