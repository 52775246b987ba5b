# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real server that serves three adapters is adopted: an audit finds it in sync, and converge writes nothing."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.guide import shell
from tests.support.site import Site


def test_an_adopted_server_is_in_sync(site: Site, tmp_path: Path) -> None:
    adapters = {
        name: site.artifact(name, example) for name, example in (("a", "first"), ("b", "second"), ("c", "first"))
    }
    for name, path in adapters.items():
        site.server.load(name, path)
    host = {"vllm_base_url": site.watched.url, "ansible_connection": "local", "lora_prune": True}
    (tmp_path / "sites.json").write_text(json.dumps({"vllm": {"hosts": {"edge": host}}}))
    environment = {"VLLM_API_KEY": site.server.api_key} if site.server.api_key else {}

    def run(playbook: str, options: str = "") -> list[str]:
        site.watched.clear_log()
        shell(f"ansible-playbook -i sites.json sovereign.vllm.{playbook} {options}", tmp_path, 0, environment)
        return [request.method for request in site.watched.log]

    assert run("adopt") == ["GET"]
    assert (tmp_path / "host_vars" / "edge" / "lora_adapters.yml").exists()
    run("drift_audit", "-e drift_report_directory=report")
    (report,) = json.loads((tmp_path / "report" / "drift.json").read_text())["sites"]
    assert (report["verdict"], {cell["name"] for cell in report["adapters"]}) == ("in_sync", set(adapters))
    assert set(run("converge", "-e lora_smoke=none")) == {"GET"}
    assert site.server.served() == adapters
