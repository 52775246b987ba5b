# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the getting started guide shows works as written, on a server with a key."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.stand_in import StandIn
from tests.support.guide import Guide, shell
from tests.support.server import Server

NOT_RUN = {
    "pip install": "needs the network",
    "export VLLM_ALLOW_RUNTIME_LORA_UPDATING": "starts a real vLLM: see tests/real_vllm/conformance",
}


def test_what_is_shown(examples: Path, tmp_path: Path) -> None:
    store = tmp_path / "srv"
    shutil.copytree(examples / "first", store / "sql" / "4f2a9c01d7be")
    served = {"sql": str(store / "sql" / "4f2a9c01d7be")}
    with StandIn(base_models=("base",), api_key="sk-own") as stand_in, Guide("getting_started_guide", NOT_RUN) as guide:
        address = {"http://edge1.example.org:8000": stand_in.url}
        guide.write("inventory/sites.vllm.yml", tmp_path, address)
        guide.write("inventory/group_vars/vllm.yml", tmp_path, {"/srv/adapters": str(store)})
        guide.write("site.yml", tmp_path)
        # The host is this machine, so that it may ask at its loopback address.
        guide.write(
            "hosts.yml", tmp_path, {**address, "vllm_api_key_env": "ansible_host: 127.0.0.1\n      vllm_api_key_env"}
        )
        export, plan, converge, again, audit = guide.take("export VLLM_API_KEY").splitlines()
        own = guide.take("ansible-playbook -i inventory site.yml")
        server = Server(stand_in.url, "sk-own")

        def run(command: str, key: str = export.replace("...", "sk-own ")) -> str:
            return shell(f"{key}\n{command}", tmp_path)

        assert "+  - name: sql" in run(plan)
        assert server.served() == {}
        shown = run(own)
        assert "+  - name: sql" in shown
        assert "loads and unloads adapters without the key" in shown
        assert server.served() == {}
        run(converge)
        assert server.served() == served
        assert "changed=0" in run(again)
        assert "changed=0" in run(audit)
        # Any other inventory: the host names the variable of its key, and declares no adapter.
        run(own.replace("-i inventory", "-i hosts.yml"), "export EDGE1_KEY=sk-own VLLM_API_KEY=sk-wrong")
        assert server.served() == served
