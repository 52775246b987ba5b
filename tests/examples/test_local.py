# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example for one machine; `make conformance` runs its playbook on a real server."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import yaml

from tests.examples.conftest import FOREIGN
from tests.examples.local import LOCAL, converge
from tests.stand_in import StandIn
from tests.support.server import Server

KEY = "sk-local-6061"
COMPOSE = yaml.safe_load((LOCAL / "compose.yml").read_text())


def test_an_adapter_is_served_and_answers_by_its_name(tmp_path: Path, examples: Path) -> None:
    with StandIn(base_models=("base",), api_key=KEY) as stand_in:
        server = Server(stand_in.url, KEY)
        where = {"key": KEY, "vllm_base_url": stand_in.url, "adapters_path": str(examples)}
        looked = converge(tmp_path, "--check", "--diff", **where)
        assert looked.returncode == 0, looked.stdout
        assert not server.served()
        run = converge(tmp_path, **where)
        assert run.returncode == 0, run.stdout
        assert server.served() == {"first": str(examples / "first")}
        answer = server.complete("first", tokens=16, prompt="The quick brown fox")
        assert f"first says: {answer}" in run.stdout
        assert "changed=0" in converge(tmp_path, **where).stdout
        assert KEY not in looked.stdout + run.stdout + run.stderr


def test_compose_file_is_valid() -> None:
    schema = json.loads((FOREIGN / "compose" / "config" / "compose_spec.json").read_text())
    jsonschema.Draft201909Validator(schema).validate(COMPOSE)


def test_playbook_and_compose_file_fit() -> None:
    """Without extra variables, the playbook speaks to what the file starts."""
    (play,) = yaml.safe_load((LOCAL / "converge.yml").read_text())
    server = COMPOSE["services"]["vllm"]
    assert play["vars"]["vllm_base_url"] == "http://" + ":".join(server["ports"][0].split(":")[:2])
    assert f"--served-model-name={play['vars']['base_model']}" in server["command"]
    assert [volume.split(":")[-2] for volume in server["volumes"]] == ["/models", play["vars"]["adapters_path"]]
