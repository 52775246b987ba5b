# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the getting started guide shows works as written, on a server with a key."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.documentation.playbooks import mistakes
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
    with StandIn(base_models=("base",), api_key="sk-own") as stand_in, Guide("getting_started_guide", NOT_RUN) as guide:
        places = {"http://edge1.example.org:8000": stand_in.url, "/srv/adapters": str(store)}
        guide.write("inventory.yml", tmp_path, places)
        guide.write("site.yml", tmp_path)
        export, plan, converge, again = guide.take("export VLLM_API_KEY").splitlines()

        def run(command: str) -> str:
            return shell(f"{export.replace('...', 'sk-own ')}\n{command}", tmp_path)

        server = Server(stand_in.url, "sk-own")
        assert "+  - name: sql" in run(plan)
        assert server.served() == {}
        assert "loads and unloads adapters without the key" in run(converge)
        assert server.served() == {"sql": str(store / "sql" / "4f2a9c01d7be")}
        assert "changed=0" in run(again)
        defaults = guide.take("module_defaults:")
    assert mistakes(f"- hosts: all\n  {defaults.replace(chr(10), chr(10) + '  ')}\n  tasks:\n    {ASK}") == {}


ASK = "- {name: ask, sovereign.vllm.vllm_base_model_info: {}}"
