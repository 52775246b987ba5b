# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the AWX guide shows and an AWX is not needed for. The rest is in tests/examples."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.guide import Guide, shell
from tests.support.playbook import IN_WORKER
from tests.vllm_stand_in import StandIn

NOT_RUN = {"pip install": "needs an AWX: see tests/examples/test_arguments.py"}


def test_the_key_of_a_site_is_looked_up(tmp_path: Path) -> None:
    (tmp_path / "host_vars").mkdir()
    with Guide("awx_guide", NOT_RUN) as guide:
        (tmp_path / "host_vars" / "harbour.yml").write_text(guide.take("lora_adapters_api_key: "))
    with StandIn(api_key="sk-harbour") as server:
        site = {**IN_WORKER, "vllm_base_url": server.url, "lora_adapters_adapters": []}
        (tmp_path / "sites.json").write_text(json.dumps({"vllm": {"hosts": {"harbour": site}}}))
        converge = "ansible-playbook -i sites.json sovereign.vllm.converge"
        shell(converge, tmp_path, environment={"HARBOUR_KEY": "sk-harbour"})
        shell(converge, tmp_path, rc=2, environment={"HARBOUR_KEY": "sk-other"})
