# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Four sites, two of them drifted and one switched off, and the project of examples/awx for them."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from pathlib import Path

import yaml

from tests.stand_in import StandIn
from tests.support.server import Server

EXAMPLES = Path(__file__).parents[2] / "examples"
KEY = "sk-awx-77120"
SITES = ("edge01", "edge02", "edge03", "edge04")
DECLARED = {"sql": "sql/4f2a9c01d7be", "summaries": "summaries/90be11c2a7d4"}


class Fleet:
    """edge01 is in sync, edge02 lacks an adapter, edge03 serves one more and one from elsewhere, edge04 is off.

    The project of examples/awx for them lies in the directory `project`. All have the key KEY.
    """

    def __init__(self, project: Path, adapters: Path, servers: ExitStack) -> None:
        store = project.with_name("srv") / "adapters"
        for path in DECLARED.values():
            shutil.copytree(adapters / "first", store / path)
        self.declared = {name: str(store / path) for name, path in DECLARED.items()}
        other = str(adapters / "second")
        static = {
            "edge01": self.declared,
            "edge02": {"sql": self.declared["sql"]},
            "edge03": {**self.declared, "summaries": other, "{{ 1 // 0 }}": other},
            "edge04": {},
        }
        self.servers = {
            site: servers.enter_context(StandIn(base_models=("base",), api_key=KEY, static=static[site]))
            for site in SITES
        }
        self.servers["edge04"].kill()
        self._check_out(project, store)

    def _check_out(self, project: Path, store: Path) -> None:
        """The example, with the addresses and paths of these sites in place of its own."""
        shutil.copytree(EXAMPLES / "awx" / "project", project)
        source = project / "inventory" / "sites.vllm.yml"
        options = yaml.safe_load(source.read_text())
        options["endpoints"] = [{"name": site, "base_url": server.url} for site, server in self.servers.items()]
        source.write_text(json.dumps(options))
        variables = project / "inventory" / "group_vars" / "vllm.yml"
        text = variables.read_text()
        assert text.count("/srv/adapters/") == len(DECLARED)
        variables.write_text(text.replace("/srv/adapters/", f"{store}/"))

    def served(self, site: str) -> dict[str, str]:
        return Server(self.servers[site].url, KEY).served()

    def written(self) -> list[str]:
        """The sites to which something was loaded or unloaded."""
        return [site for site, server in self.servers.items() if any("lora" in write.path for write in server.writes)]
