# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layout of examples/fleet, and a server with a key of its own for each of its sites."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret

from tests.examples.conftest import EXAMPLES, foreign_environment
from tests.stand_in import StandIn
from tests.support.server import Server

LAYOUT = EXAMPLES / "fleet"
REGIONS = {"north": 12, "south": 10, "coast": 8}
SITES = [f"{region}{number:02}" for region, count in REGIONS.items() for number in range(1, count + 1)]
OFFLINE = {"north03", "south07", "coast05"}
README = (LAYOUT / "README.md").read_text(encoding="utf-8")
PATHS = {
    "sql": "sql/4f2a9c01d7be",
    "customs": "customs/90be11c2a7d4",
    "harbour": "harbour/c3d94e0b1f28",
    "archive": "archive/7a6b5c4d3e2f",
}


def _keys() -> dict[str, str]:
    """The keys in the vault, by site."""
    loader = DataLoader()
    password = (LAYOUT / "example-vault-password").read_bytes().strip()
    loader.set_vault_secrets([("default", VaultSecret(password))])
    return dict(loader.load_from_file(str(LAYOUT / "inventory" / "group_vars" / "vllm" / "vault.yml"))["vault_keys"])


def commands(section: str) -> list[str]:
    """The commands in a section of the README."""
    text = README.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]


def expected(site: str) -> set[str]:
    """The names of the adapters that the layout declares for a site."""
    of_region = {"north": {"customs"}, "south": set(), "coast": {"harbour"}}[site[:-2]]
    return {"sql", *of_region, *({"archive"} if site == "south10" else set())}


class Fleet:
    """The layout in `directory`, and a server for each of the sites. `servers`: by site."""

    def __init__(self, directory: Path, adapters: Path, opened: ExitStack, sites: Sequence[str] = SITES) -> None:
        self.directory, self.keys = directory, _keys()
        store = directory.with_name("srv")
        for path in PATHS.values():
            shutil.copytree(adapters / "first", store / path)
        self.declared = {name: str(store / path) for name, path in PATHS.items()}
        other = str(adapters / "second")
        drifted = {
            "north01": {"sql": self.declared["sql"]},  # one is missing
            "north02": {},  # after a restart
            "south01": {"sql": other},
            "south02": {**self._in_sync("south02"), "rogue": other},  # undeclared
            "south04": {**self._in_sync("south04"), "trial-7": other},  # excluded
            "coast01": {**self._in_sync("coast01"), "rogue": other},  # unexpected, since the region prunes
        }
        self.servers = {
            site: opened.enter_context(
                StandIn(
                    base_models=("base",),
                    api_key=self.keys[site],
                    static=drifted.get(site, self._in_sync(site)),
                )
            )
            for site in sites
        }
        for site in OFFLINE & set(sites):
            self.servers[site].kill()
        self._check_out(store)

    def _in_sync(self, site: str) -> dict[str, str]:
        return {name: self.declared[name] for name in expected(site)}

    def _check_out(self, store: Path) -> None:
        """The layout, with the addresses and paths of these servers in place of its own."""
        shutil.copytree(LAYOUT, self.directory, ignore=shutil.ignore_patterns("reports"))
        source = self.directory / "inventory" / "sites.vllm.yml"
        options = yaml.safe_load(source.read_text())
        assert [endpoint["name"] for endpoint in options["endpoints"]] == [
            f"{region}[01:{count:02}]" for region, count in REGIONS.items()
        ]
        options["endpoints"] = [
            {"name": site, "base_url": server.url, "vars": {"region": site[:-2]}}
            for site, server in self.servers.items()
        ]
        source.write_text(json.dumps(options))
        for file in (self.directory / "inventory").glob("*_vars/**/*.yml"):
            file.write_text(file.read_text().replace("/srv/adapters", str(store)))

    def configure(self, name: str, **settings: object) -> None:
        """Set variables in a file of the group vllm."""
        file = self.directory / "inventory" / "group_vars" / "vllm" / f"{name}.yml"
        given = yaml.safe_load(file.read_text())
        assert set(settings) <= set(given)
        file.write_text(json.dumps({**given, **settings}))

    def run(self, command: str, **variables: str) -> tuple[int, str]:
        """Run it in the directory, with the layout's own ansible.cfg, and variables of the environment.

        No key may be in its output.
        """
        home = self.directory.with_name("home")
        home.mkdir(exist_ok=True)
        environment = foreign_environment(home) | {"ANSIBLE_CONFIG": str(self.directory / "ansible.cfg"), **variables}
        ran = subprocess.run(
            ["bash", "-c", command],
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert not [site for site, key in self.keys.items() if key in ran.stdout]
        return ran.returncode, ran.stdout

    def report(self) -> dict[str, Any]:
        report = json.loads((self.directory / "reports" / "drift.json").read_text())
        assert {site["name"] for site in report["sites"]} == set(self.servers)
        return {site["name"]: site["verdict"] for site in report["sites"]}

    def written(self) -> set[str]:
        """The sites to which something was loaded or unloaded."""
        return {site for site, server in self.servers.items() if any("lora" in write.path for write in server.writes)}

    def served(self, site: str) -> dict[str, str]:
        return Server(self.servers[site].url, self.keys[site]).served()
