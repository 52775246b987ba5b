# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One site: a server, artifacts that it can read, and a host in Ansible's inventory."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.stand_in import StandIn

from .playbook import IN_WORKER, Run, run_playbook
from .recorder import Recorder
from .server import Server


class Site:
    """Where playbooks of tests run.

    Attributes:
        server: to look at what is served, and to change it behind Ansible's back.
        watched: what playbooks speak to; it logs the requests.
        base_model: the first name of the server's base model.
        artifacts: a directory that the server sees under the same path, for this test alone.
        asked: the requests that the last run sent, such as "GET /v1/models".
    """

    def __init__(
        self,
        server: Server,
        watched: StandIn | Recorder,
        examples: Path,
        artifacts: Path,
        runs: Path,
        host: Mapping[str, Any] | None = None,
    ) -> None:
        self.server = server
        self.watched = watched
        self.base_model = server.base_models()[0]
        self.artifacts = artifacts.resolve()  # as the Rust front-end lists them
        self.asked: list[str] = []
        self._examples = examples
        self._runs = runs
        self._host = host or IN_WORKER
        self._count = 0

    @property
    def host(self) -> dict[str, Any]:
        """The variables of this site's host in the inventory; never the key."""
        places = {"url": self.watched.url, "artifacts": str(self.artifacts), "base": self.base_model}
        return {**self._host, **places}

    def artifact(self, name: str, example: str = "first") -> str:
        """Write one of the EXAMPLES of adapters under this name, over what is there, and return its directory."""
        shutil.copytree(self._examples / example, self.artifacts / name, dirs_exist_ok=True)
        return str(self.artifacts / name)

    def run(self, tasks: str, **how: Any) -> Run:
        """Run these tasks (see run_playbook), with the connection as a default of all modules of the collection."""
        self._count += 1
        self.watched.clear_log()
        how = {**self.connection, **how, "variables": {**self.connection["variables"], **how.get("variables", {})}}
        run = run_playbook(tasks, {"site": self.host}, self._runs / str(self._count), **how)
        self.asked = [f"{request.method} {request.path}" for request in self.watched.log]
        return run

    @property
    def connection(self) -> dict[str, Any]:
        """How `run_playbook` gets the address and the key to the modules. Retries are quick."""
        defaults: dict[str, Any] = {"base_url": "{{ url }}", "retry_delay": 0.05}
        if self.server.api_key:
            return {"defaults": {**defaults, "api_key": "{{ key }}"}, "variables": {"key": self.server.api_key}}
        return {"defaults": defaults, "variables": {}}


def run_on_all(sites: Mapping[str, Site], tasks: str, runs: Path, **how: Any) -> Run:
    """Run these tasks (see run_playbook) on all sites in one run. None of them has a key."""
    hosts = {name: site.host for name, site in sites.items()}
    return run_playbook(tasks, hosts, runs, defaults={"base_url": "{{ url }}", "retry_delay": 0.05}, **how)
