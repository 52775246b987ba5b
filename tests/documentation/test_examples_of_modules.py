# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples in the documentation of each module run, one after the other as they stand there, on a stand-in."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import inspect_artifact

from tests.documentation.playbooks import MODULES
from tests.stand_in import StandIn, write_adapter
from tests.support.archives import files_of
from tests.support.artifact_server import ArtifactServer
from tests.support.certificates import context_of, write_certificate
from tests.support.playbook import IN_WORKER, Run, run_playbook
from tests.support.server import Server

SHOWN_DIGEST = "sha256:4f1c3b0ad2f0f1fdc3ab4b8d8f0c9f1b2b6c3e7d5a9e8f7c6b5a4d3c2b1a0f9e"
SHOWN_MANIFEST = "sha256:90be11c2a7d4f1fdc3ab4b8d8f0c9f1b2b6c3e7d5a9e8f7c6b5a4d3c2b1a0f9e"
# They work only as steps of a playbook or role, on a site that it has prepared. These run them.
RUN_ELSEWHERE = {
    "vllm_agent_environment": "extensions/molecule/agent",
    "vllm_agent_node": "extensions/molecule/agent",
    "vllm_apply_bundle": "tests/integration/sites_story.py",
    "vllm_bundle": "tests/integration/sites_story.py",
}
SERVED = {"sql": "sql/4f2a9c01d7be", "summaries": "summaries/90be11c2a7d4"}


class World:
    """A server that serves what is in SERVED, and the files that the examples name, below a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for path in SERVED.values():
            write_adapter(directory / "srv" / "adapters" / path)
        artifact = directory / "srv" / "lora" / "support-de"
        write_adapter(artifact, base_model="meta-llama/Llama-3.1-8B-Instruct")
        shutil.make_archive(str(directory / "run" / "adapters" / "support-de"), "gztar", artifact)
        shutil.make_archive(str(directory / "media" / "usb" / "support-de"), "zip", artifact)
        self.digest = inspect_artifact(str(artifact))["digest"]
        self.authority = write_certificate(directory / "authority.pem")
        self.registry = ArtifactServer(context_of(self.authority))
        self.manifest = self.registry.push(self.registry.files_as_layers(files_of(artifact))).partition("@")[2]
        adapters = {name: directory / "srv" / "adapters" / path for name, path in SERVED.items()}
        self.server = StandIn(static=adapters)

    def run(self, module: str, rc: int = 0) -> Run:
        source = (MODULES / f"{module}.py").read_text(encoding="utf-8")
        tasks = source.split('EXAMPLES = r"""\n')[1].split('"""')[0]
        places = {"http://127.0.0.1:8000": self.server.url, SHOWN_DIGEST: self.digest, SHOWN_MANIFEST: self.manifest}
        places |= {"registry.site.example:5000": self.registry.host}
        places |= {f"/{top}/": f"{self.directory}/{top}/" for top in ("srv", "media")}
        for shown, real in places.items():
            tasks = tasks.replace(shown, real)
        adapters = [{"name": name, "path": f"{self.directory}/srv/adapters/{path}"} for name, path in SERVED.items()]
        host = {**IN_WORKER, "vllm_base_url": self.server.url, "lora_adapters": adapters, **self._of_the_guard()}
        return run_playbook(
            textwrap.dedent(tasks),
            {"node": host, "edge2": host},
            self.directory / "run",
            rc=rc,
            options=["--limit", "node"],
            environment={
                "VISITOR_KEY": "sk-visitor",
                "REGISTRY_PASSWORD": "sesame",
                "REQUESTS_CA_BUNDLE": str(self.authority),
            },
        )

    def _of_the_guard(self) -> dict[str, Any]:
        """Files of nginx that nobody reads: tests/guard has a real one."""
        commands = {"guard_test_command": ["true"], "guard_reload_command": ["true"], "guard_wait": 0}
        keys = {"vault_vllm_key": "key-0", "vault_user_keys": ["key-1"], "vault_admin_key": "key-2"}
        return {**commands, **keys, "guard_directory": str(self.directory / "run"), "ansible_become": False}


@pytest.mark.parametrize(
    "module", [stem for stem in sorted(f.stem for f in MODULES.glob("*.py")) if stem not in RUN_ELSEWHERE]
)
def test_they_run(module: str, tmp_path: Path) -> None:
    world = World(tmp_path)
    with world.registry, world.server as server:
        if module == "vllm_server_info":
            run = world.run(module, rc=2)
            assert "Anybody who reaches the server can use it" in run.output
            return
        run = world.run(module)
        assert {result.status for result in run.results} == {"ok"}
        served = set(Server(server.url).served())
    assert served == {
        "vllm_lora_adapter": {"summaries"},
        "vllm_lora_adapters": {"sql"},
        "vllm_lora_artifact": {"sql", "summaries", "support-de"},
        "vllm_lora_artifacts": {"sql", "summaries"},
    }.get(module, set(SERVED))
