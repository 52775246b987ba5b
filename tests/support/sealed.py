# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, allowed signers and tiny artifacts for bundles that tests put together themselves."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

SERIAL = 20261128120000
NODE = "edge1"


def new_key(file: Path) -> Path:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return file


def allow(signers: Path, name: str, key: Path) -> None:
    with signers.open("a") as stream:
        stream.write(f"{name} {key.with_suffix('.pub').read_text()}")


def artifact(seed: str) -> tuple[str, dict[str, bytes]]:
    """The digest and the files of an artifact."""
    files = {"adapter_config.json": f'{{"seed": "{seed}"}}'.encode(), "adapter_model.safetensors": seed.encode() * 3000}
    lines = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}", files
