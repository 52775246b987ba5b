# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and programs of a guard that cannot be used: the sentence names them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.guard_files import GuardFiles, Nginx


def test_a_program_that_cannot_be_run(tmp_path: Path) -> None:
    (tmp_path / "nginx").write_text("no program")
    (tmp_path / "nginx").chmod(0o644)
    for file, says in (("nginx", "cannot be run: Permission denied"), ("missing", "there is no command")):
        with pytest.raises(VllmError) as error:
            Nginx([str(tmp_path / file)], []).test()
        assert str(tmp_path / file) in error.value.message and says in error.value.message


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    files = GuardFiles(str(tmp_path), "vllm")
    (tmp_path / "vllm-guard.keys").mkdir()
    with pytest.raises(VllmError, match=r"Could not read .*/vllm-guard[.]keys: Is a directory"):
        files.read()
    (tmp_path / "vllm-guard.before").write_text("{")
    with pytest.raises(VllmError, match=r"Could not read .*/vllm-guard[.]before: its content is damaged"):
        files.read()
