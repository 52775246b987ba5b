# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the adopt guide shows makes a declaration of what runs, and writes nothing to a server that was adopted."""

from __future__ import annotations

import json
from pathlib import Path

from tests.stand_in import StandIn
from tests.support.guide import Guide, shell
from tests.support.server import Server


def test_what_is_shown(examples: Path, tmp_path: Path) -> None:
    path = str(examples / "first")
    with StandIn(static={"sql": path}) as first, StandIn() as second, Guide("adopt_guide") as guide:
        hosts = {
            name: {"vllm_base_url": server.url, "ansible_connection": "local"}
            for name, server in (("edge1", first), ("edge2", second))
        }
        (tmp_path / "inventory").mkdir()
        (tmp_path / "inventory" / "sites.json").write_text(json.dumps({"vllm": {"hosts": hosts}}))
        check = guide.take("ansible-playbook -i inventory sovereign.vllm.adopt --check")
        assert "+  - name: sql" in shell(check, tmp_path)
        shell(guide.take("ansible-playbook -i inventory sovereign.vllm.adopt\n"), tmp_path)
        shown = guide.take("# host_vars/edge1/lora_adapters.yml").partition("\n")[2]
        written = (tmp_path / "inventory" / "host_vars" / "edge1" / "lora_adapters.yml").read_text()
        assert written.partition("---\n")[2] == shown.replace("/srv/adapters/sql/4f2a9c01d7be", path)
        shell(guide.take("ansible-playbook -i inventory sovereign.vllm.drift_audit"), tmp_path)
        # The playbook converge asks each adapter for a token.
        assert {request.path for request in [*first.writes, *second.writes]} <= {"/v1/completions"}
        (tmp_path / "copy.yml").write_text(guide.take("# copy.yml"))
        shell("ansible-playbook -i inventory copy.yml", tmp_path)
        assert Server(second.url).served() == {"sql": path}
