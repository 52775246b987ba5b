# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example signs an adapter with the standard tool and with openssl alone, and each verifies what the other has signed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.environment import clean_environment
from tests.support.playbook import ANSIBLE_PLAYBOOK
from tools import environments

PROJECT = Path(__file__).resolve().parents[2]
README = PROJECT / "examples" / "signing" / "README.md"
BLOCKS = re.findall(r"```sh\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
KEY, TOOL, OPENSSL, VERIFY, CERTIFICATE, CHECKS = BLOCKS
CHECK_KEY, CHECK_CERTIFICATE = CHECKS.strip().splitlines()


@pytest.fixture
def place(tmp_path: Path, examples: Path) -> Path:
    """A directory with the adapter of the example."""
    shutil.copytree(examples / "first", tmp_path / "adapters" / "sql")
    (tmp_path / "adapters" / "sql" / "README.md").write_text("A card.")
    (tmp_path / "examples").symlink_to(PROJECT / "examples")
    return tmp_path


def shell(command: str, place: Path, rc: int = 0) -> str:
    """Run what the example shows, without its installation by pip."""
    tools = [environments.signing() / "bin", ANSIBLE_PLAYBOOK.parent]
    environment = clean_environment(place)
    environment["PATH"] = os.pathsep.join([*map(str, tools), environment["PATH"]])
    without_pip = "\n".join(line for line in command.splitlines() if not line.startswith("pip "))
    done = subprocess.run(
        ["sh", "-euc", without_pip], cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == rc, done.stdout + done.stderr
    return done.stdout


def test_both_ways_of_signing_are_verified(place: Path) -> None:
    shell(KEY, place)
    for sign in (TOOL, OPENSSL):
        shell(sign, place)
        shell(VERIFY, place)
        assert re.search("sha256:[0-9a-f]{64} is signed by sha256:[0-9a-f]{64}", shell(CHECK_KEY, place))
        (place / "adapters" / "sql" / "model.sig").unlink()
    assert "The signature is missing" in shell(CHECK_KEY, place, rc=2)
    shell(CERTIFICATE, place)
    assert "is signed by CN=Release 2026" in shell(CHECK_CERTIFICATE, place)
    config = place / "adapters" / "sql" / "adapter_config.json"
    config.write_text(config.read_text() + "\n")
    assert "was changed after it was signed" in shell(CHECK_CERTIFICATE, place, rc=2)
