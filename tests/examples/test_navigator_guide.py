# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the navigator guide, by a real ansible-navigator without a container."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.examples.conftest import EXAMPLES
from tests.stand_in import StandIn
from tests.support.guide import Guide, shell
from tests.support.server import Server

QUICKSTART = EXAMPLES / "quickstart"
SETTINGS = "ansible-navigator.yml"
KEY = "sk-navigator-30917"
NOT_RUN = {"pip install ansible-navigator 'ansible-builder": "builds an image"}


@pytest.mark.timeout(600)  # each command starts a navigator, which asks Ansible for its version
def test_the_commands_shown(tmp_path: Path, examples: Path) -> None:
    with StandIn(api_key=KEY) as stand_in, Guide("navigator_guide", NOT_RUN) as guide:
        assert yaml.safe_load(guide.take(f"# {SETTINGS}\n")) == yaml.safe_load((QUICKSTART / SETTINGS).read_text())
        more = guide.take(f"# {SETTINGS}, below execution-environment\n")
        (show,) = guide.take("ansible-navigator settings").splitlines()
        _enter, plan, converge, audit = guide.take("cd examples/quickstart\n").splitlines()
        _install, without = guide.take("pip install ansible-navigator ansible-core").splitlines()
        document, graph = guide.take("ansible-navigator doc").splitlines()
        (replay,) = guide.take("ansible-navigator replay").splitlines()
        assert "--ee false" in without

        site = tmp_path / "quickstart"
        shutil.copytree(QUICKSTART, site)
        for file, shown, real in (
            ("inventory/sites.vllm.yml", "http://127.0.0.1:8000", stand_in.url),
            ("inventory/group_vars/vllm.yml", "/tmp/sovereign-vllm-demo/sql", str(examples / "first")),
            ("inventory/group_vars/vllm.yml", "/tmp/sovereign-vllm-demo/summaries", str(examples / "second")),
        ):
            text = (site / file).read_text()
            assert shown in text
            (site / file).write_text(text.replace(shown, real))
        server = Server(stand_in.url, KEY)

        def run(command: str, rc: int = 0) -> str:
            command = command if "--ee" in command else f"{command} --ee false"
            variables = {"HOME": str(tmp_path), "VLLM_API_KEY": KEY, "NO_COLOR": "1"}
            return shell(command, site, rc, variables, 200)

        # The settings of the example and those that the guide adds are valid. A mistake would be found.
        given = yaml.safe_load((site / SETTINGS).read_text())["ansible-navigator"]
        mounts = yaml.safe_load(more.replace("/var/lib/drift", str(tmp_path)))
        _write_settings(site, {**given, "execution-environment": given["execution-environment"] | mounts})
        settings = yaml.safe_load(run(show))["ansible-navigator"]
        assert settings["execution-environment"]["volume-mounts"][0]["src"] == str(tmp_path)
        _write_settings(site, {**given, "image": "localhost/vllm-ee:1.0.0"})
        assert re.search(r"'image'\s+was\s+unexpected", run(show, rc=1))
        shutil.copy(QUICKSTART / SETTINGS, site)
        assert settings["playbook-artifact"]["save-as"] == given["playbook-artifact"]["save-as"]
        for name, value in given["execution-environment"].items():
            assert settings["execution-environment"][name] == value

        assert "+  - name: sql" in run(plan)
        assert server.served() == {}
        run(converge)
        assert sorted(server.served()) == ["sql", "summaries"]
        server.unload("sql")
        # The exit status is that of the audit, and the report is below the directory.
        assert "sql is not served" in run(audit, rc=2)
        assert '"drifted": 1' in (site / "drift_report" / "drift.json").read_text()
        (artifact,) = (site / "artifacts").glob("drift_audit-failed-*.json")
        assert "sql is not served" in run(replay)
        server.load("sql", str(examples / "first"))
        run(without)
        assert "Loads, reloads and unloads adapters of one server" in " ".join(run(document).split())
        assert "--edge1" in run(graph)

        found = [file for file in tmp_path.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()]
        assert artifact.exists()
        assert found == []


def _write_settings(directory: Path, settings: dict[str, Any]) -> None:
    (directory / SETTINGS).write_text(json.dumps({"ansible-navigator": settings}))
