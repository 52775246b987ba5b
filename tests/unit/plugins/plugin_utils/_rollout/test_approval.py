# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout is approved by the report of an audit, and by nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

approval = pytest.importorskip("ansible_collections.sovereign.vllm.plugins.plugin_utils._rollout.approval")
errors = pytest.importorskip("ansible_collections.sovereign.vllm.plugins.module_utils._errors")

PLAN = "sha256:" + "0" * 64


def test_sites_that_the_report_could_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sites = [{"name": "edge", "plan_id": PLAN}, {"name": "away", "plan_id": None}]
    (tmp_path / "drift.json").write_text(json.dumps({"sites": sites}))
    monkeypatch.chdir(tmp_path)
    assert approval.approved_plans("lora_approved", "drift.json") == {"edge": PLAN}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("sites:", "is not JSON"),
        (b"\xff", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        (["edge"], "is no report"),
        ({"edge": PLAN}, "is no report"),
        ({"sites": {"edge": PLAN}}, "is no report"),
        ({"sites": [{"name": "edge"}]}, "is no report"),
        ({"sites": [{"name": "edge", "plan_id": 7}]}, "is no report"),
        ({"sites": None}, "is no report"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: Any, words: str) -> None:
    file = tmp_path / "drift.json"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(errors.VllmError) as refused:
        approval.approved_plans("lora_approved", str(file))
    assert refused.value.code == "invalid_request"
    assert refused.value.message.startswith(f"lora_approved is '{file}', which {words}")
    assert refused.value.message.endswith("; give the drift.json of an audit by sovereign.vllm.drift_audit.")
