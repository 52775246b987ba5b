# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A declaration means the same to the audit, the role, the audit of what the inventory saw, and the source of events."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.eda.source import helper_of_source
from tests.integration.lifecycle.from_the_artifact import ROLE, SERVE
from tests.support.guide import shell
from tests.support.playbook import IN_WORKER, run_playbook

from .conftest import NewSite

pytestmark = pytest.mark.timeout(400)
READ = "Read the variables of the role"


def declarations(path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Those that mean the adapter `sql` at this path, and those that are refused, of them the sentence."""
    sql = {"name": "sql", "path": path}
    good = {
        "plain": [sql],
        "alias": [{"lora_name": "sql", "lora_path": path, "base_model_name": "tiny"}],
        "omitted": [{**sql, "base_model": "{{ nothing_here | default(omit) }}", "state": "{{ omit }}"}],
        "empty": [{**sql, "base_model": None, "state": None}],
        "typed-as-text": [{**sql, "is_3d_lora_weight": "no", "allow_hub": "false"}],
        "survey": json.dumps([sql]),
        "for-the-role": [{**sql, "trained_for": "tiny", "remote_src": "no"}],
    }
    bad = {
        "misspelt": [{**sql, "base_modell": "tiny"}],
        "text": "sql=/srv/sql",
        "mapping": {"sql": path},
        "null": None,
        "entry-is-text": ["sql"],
        "nameless": [{"path": path}],
        "both-names": [{**sql, "lora_name": "other"}],
        "wrong-type": [{**sql, "is_3d_lora_weight": "perhaps"}],
        "wrong-state": [{**sql, "state": "gone"}],
        "twice": [sql, sql],
        "pathless": [{"name": "sql"}],
    }
    return good, bad


def test_everything_reads_a_declaration_in_the_same_way(new_site: NewSite, tmp_path: Path) -> None:
    site = new_site()
    path = site.artifact("sql")
    site.server.load("sql", path)
    good, bad = declarations(path)
    seen = {
        "vllm_reachable": True,
        "vllm_base_url": site.watched.url,
        "vllm_base_models": [{"id": "tiny", "root": None, "max_model_len": 256, "aliases": []}],
        "vllm_served_adapters": [{"name": "sql", "root": path, "parent": "tiny"}],
    }
    hosts = {name: {**IN_WORKER, **seen, "lora_adapters": declared} for name, declared in {**good, **bad}.items()}
    (tmp_path / "sites.json").write_text(json.dumps({"vllm": {"hosts": hosts}}))

    told: dict[str, dict[str, tuple[str, str]]] = {}
    for source in ("live", "inventory"):
        shell(f"ansible-playbook -i sites.json sovereign.vllm.drift_audit -e drift_audit_source={source}", tmp_path)
        report = json.loads((tmp_path / "drift_report" / "drift.json").read_text())
        told[source] = {found["name"]: (found["verdict"], found["reason"]) for found in report["sites"]}

    given = {"lora_store": str(tmp_path / "store")}
    run = run_playbook(ROLE, hosts, tmp_path / "role", rc=2, variables=given)
    refused, served = run.of(READ), run.of(SERVE)
    told["role"] = {
        name: ("failed", refused[name].msg) if refused[name].status == "failed" else ("in_sync", "") for name in hosts
    }
    assert set(served) == set(good) and not any(result.changed for result in served.values())

    reader = helper_of_source("_declaration_file")
    told["events"] = {}
    for name, declared in {**good, **bad}.items():
        # Templates are Ansible's.
        file = tmp_path / "declaration.json"
        written = good["plain"] if name == "omitted" else declared
        file.write_text(json.dumps({"endpoints": [{"base_url": site.watched.url, "adapters": written}]}))
        try:
            reader.read_declaration(file, {})
            told["events"][name] = ("in_sync", "")
        except reader.VllmError as error:
            sentence = re.sub(r"^Could not use the declaration file '.*?': ", "", error.message)
            told["events"][name] = (
                "failed",
                sentence.replace("the declaration of endpoint 1", "lora_adapters"),
            )

    for name in good:
        assert dict.fromkeys(told, ("in_sync", "")) == {how: verdicts[name] for how, verdicts in told.items()}, name
    for name in bad:
        assert told["role"][name][0] == "failed" and "lora_adapters" in told["role"][name][1], name
        assert dict.fromkeys(told, told["role"][name]) == {how: verdicts[name] for how, verdicts in told.items()}, name
