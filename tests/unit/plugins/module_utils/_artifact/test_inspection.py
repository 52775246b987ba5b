# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result for a whole artifact, and options that make no sense."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.digest import directory_digest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import inspect_artifact
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError

from tests.stand_in import write_adapter
from tests.support.artifact_changes import WEIGHTS


def test_facts_of_a_good_artifact(tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter", rank=8, base_model="acme/tiny")
    result = inspect_artifact(str(adapter), max_rank=8, base_model="acme/tiny")
    size = sum(file.stat().st_size for file in adapter.iterdir())
    assert result == {
        "valid": True,
        "problems": [],
        "digest": directory_digest(str(adapter)),
        "size": size,
        "rank": 8,
        "peft_type": "LORA",
        "base_model_name_or_path": "acme/tiny",
        "target_modules": ["q_proj", "v_proj"],
        "code": None,
        "signature": None,
    }


def test_all_problems_are_listed(tmp_path: Path) -> None:
    path = write_adapter(tmp_path / "adapter", peft_type="IA3", use_dora=True, bias="all", base_model="other")
    (path / WEIGHTS).unlink()
    (path / "tokenizer.json").symlink_to("/etc/hostname")
    result = inspect_artifact(str(path), max_rank=4, base_model="tiny", checksum=f"sha256:{'0' * 64}")
    causes = (
        "tokenizer.json",
        "checksum",
        "peft_type",
        "rank 8",
        "use_dora",
        "bias",
        "base_model_name_or_path",
        "is missing",
    )
    assert [cause for cause in causes if not any(cause in found for found in result["problems"])] == []
    assert len(result["problems"]) == len(causes)


def test_the_list_of_problems_is_bounded(tmp_path: Path) -> None:
    path = write_adapter(tmp_path / "adapter", rank_pattern={f"module_{number}": 0 for number in range(1000)})
    problems = inspect_artifact(str(path))["problems"]
    assert len(problems) == 51
    assert problems[-1] == "There are 950 more problems."


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": ""}, "path is not a path"),
        ({"path": "/a\0b"}, "path is not a path"),
        ({"max_rank": 0}, "max_rank is 0; give 1 or more"),
        ({"max_rank": -1}, "max_rank is -1"),
        ({"base_model": ""}, "base_model names no model"),
        ({"base_model": "/"}, "base_model names no model"),
        ({"checksum": ""}, "checksum is ''"),
        ({"checksum": "sha256:1234"}, "checksum is 'sha256:1234'; give 'sha256:' and 64 hexadecimal digits"),
        ({"checksum": "md5:" + 32 * "0"}, "checksum is 'md5:"),
        ({"checksum": "sha256:" + 64 * "0" + "\n"}, "checksum is 'sha256:"),
    ],
    ids=str,
)
def test_options_that_make_no_sense(tmp_path: Path, options: dict, words: str) -> None:
    with pytest.raises(VllmError, match=f"^Option {words}") as raised:
        inspect_artifact(**{"path": str(write_adapter(tmp_path / "adapter")), **options})
    assert raised.value.code == "invalid_request"
