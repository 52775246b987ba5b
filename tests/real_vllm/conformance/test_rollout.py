# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout of real servers to an adapter that they list, that answers, and that changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.guide import shell
from tests.support.site import Site


def test_the_first_wave_is_taken_back_and_the_others_are_untouched(
    site: Site, second_site: Site, tmp_path: Path
) -> None:
    answers, hosts = {}, {}
    sites = {"one": site, "two": second_site}
    for name, one in sites.items():
        one.server.load("sql", one.artifact("old"))
        answers[name] = one.server.complete("sql", tokens=8)
        one.watched.clear_log()
        hosts[name] = {
            "vllm_base_url": one.watched.url,
            # The first answer of a busy machine can take long.
            "vllm_timeout": 200,
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "lora_store": f"{one.artifacts}/store",
            "lora_adapters": [{"name": "sql", "src": one.artifact("new", "zero")}],
        }
    (tmp_path / "sites.json").write_text(json.dumps({"vllm": {"hosts": hosts}}))
    converge = "ansible-playbook -i sites.json sovereign.vllm.converge -e lora_serial=1"
    environment = {"VLLM_API_KEY": site.server.api_key} if site.server.api_key else {}
    output = " ".join(shell(converge, tmp_path, 2, environment, seconds=600).split())
    assert "Could not see an effect of adapter 'sql'" in output
    assert "restored: one" in output and "not tried: two" in output
    asked = [request.path for request in site.watched.log]
    assert asked.index("/v1/load_lora_adapter") < asked.index("/v1/completions")
    assert {request.method for request in second_site.watched.log} == {"GET"}
    for name, one in sites.items():
        assert one.server.served() == {"sql": f"{one.artifacts}/old"}
        assert one.server.complete("sql", tokens=8) == answers[name]
