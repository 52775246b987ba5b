# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vllm_lora_artifact_info as Ansible runs it: a process that reads its options from a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.stand_in import write_adapter
from tests.support.artifact_changes import WEIGHTS, rewrite_weights
from tests.support.signing import new_key, pem, sign

MODULE = Path(__file__).parents[2] / "plugins/modules/vllm_lora_artifact_info.py"
# Runs a module and then tells the most memory that its process ever had. What getrusage() tells includes the parent's.
MEASURED = """
import runpy, sys
try:
    runpy.run_path(sys.argv.pop(1), run_name="__main__")
finally:
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    print(status["VmHWM"].split()[0], file=sys.stderr)
"""


def run_module(tmp_path: Path, **options: Any) -> tuple[dict, int]:
    """The result, and the memory that it took in kB."""
    arguments = tmp_path / "arguments.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(MODULE), str(arguments)],
        env={**os.environ, "PYTHONPATH": os.environ["ANSIBLE_COLLECTIONS_PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return json.loads(done.stdout), int(done.stderr)


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """File → content and time of its last change."""
    return {str(file): (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.rglob("*")}


def test_it_tells_and_changes_nothing(tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter", rank=8)
    before = snapshot(adapter)
    options = {"path": str(adapter), "max_rank": 16, "base_model": "tiny"}
    result, _memory = run_module(tmp_path, **options)
    checked, _memory = run_module(tmp_path, **options, _ansible_check_mode=True)
    assert snapshot(adapter) == before
    assert (result["changed"], result["valid"], result["problems"], result["rank"]) == (False, True, [], 8)
    assert checked == result


def test_a_bad_artifact_is_no_failure(tmp_path: Path) -> None:
    result, _memory = run_module(tmp_path, path=str(tmp_path / "nothing"))
    assert not result.get("failed")
    assert result["valid"] is False
    assert result["problems"] == [f"There is no directory or archive {tmp_path}/nothing on this host."]


def test_an_option_that_makes_no_sense_is_one(tmp_path: Path) -> None:
    result, _memory = run_module(tmp_path, path=str(write_adapter(tmp_path / "adapter")), max_rank=0)
    assert result["failed"] is True
    assert result["msg"].startswith("Option max_rank is 0; ")
    assert result["error"]["code"] == "invalid_request"


def test_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter", rank=8)
    modules = [f"model.layers.{number}.mlp.down_proj" for number in range(64)]
    # The file is sparse: 256 MiB of zeros that take no space on the disk.
    size = 2**28 // (len(modules) * 2 * 8 * 4)
    shapes = {f"{module}.lora_A.weight": [8, size] for module in modules}
    rewrite_weights(adapter, {**shapes, **{f"{module}.lora_B.weight": [size, 8] for module in modules}})
    key = new_key()
    policy = [{"names": ["*"], "keys": [pem(key)]}]
    result, memory = run_module(tmp_path, path=str(sign(adapter, key)), name="sql", trust=policy)
    assert result["problems"] == []
    assert result["signature"]["verified"] is True
    assert result["size"] > 2**28
    assert memory < 100_000


@pytest.mark.parametrize("header", [b'{"a": [%s' % (b"[]," * 33_000_000), b"\0" * 99_000_000], ids=["lists", "zeros"])
def test_a_hostile_header_takes_little_memory(tmp_path: Path, header: bytes) -> None:
    adapter = write_adapter(tmp_path / "adapter")
    (adapter / WEIGHTS).write_bytes(len(header).to_bytes(8, "little") + header)
    result, memory = run_module(tmp_path, path=str(adapter))
    assert not result["valid"]
    assert memory < 150_000
