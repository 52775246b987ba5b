# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, allowed signers and tiny artifacts for bundles that tests put together themselves."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping
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


def tarball(file: Path, name: str) -> Path:
    """Write the tarball of a collection with this name in the namespace of ours."""
    content = json.dumps({"collection_info": {"namespace": "sovereign", "name": name}}).encode()
    with tarfile.open(file, "w:gz") as stream:
        entry = tarfile.TarInfo("MANIFEST.json")
        entry.size = len(content)
        stream.addfile(entry, io.BytesIO(content))
    return file


def artifact(seed: str) -> tuple[str, dict[str, bytes]]:
    """The digest and the files of an artifact."""
    files = {"adapter_config.json": f'{{"seed": "{seed}"}}'.encode(), "adapter_model.safetensors": seed.encode() * 3000}
    lines = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}", files


def write_bundle(
    disk: Path,
    key: Path,
    variables: Mapping[str, object],
    more: Mapping[str, bytes] | None = None,
    node: str = NODE,
    serial: int = 7,
    **header: object,
) -> Path:
    """Write a bundle for one host with these variables, and return its directory.

    more: further files; header: what the manifest says in place of what is right.
    """
    # Python 3.8 has no such room.
    from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.sealed import seal

    bundle = disk / f"bundle-{node}-{serial}"
    files = {"site/hosts.yml": json.dumps({"vllm": {"hosts": {"one": variables}}}).encode(), **(more or {})}
    for path, content in files.items():
        (bundle / path).parent.mkdir(parents=True, exist_ok=True)
        (bundle / path).write_bytes(content)
    listed = {path: (hashlib.sha256(content).hexdigest(), len(content)) for path, content in files.items()}
    head = {"kind": "bundle", "node": node, "serial": serial, "made_at": "2026-11-28T12:00:00Z", "hosts": ["one"]}
    seal(bundle, {**head, **header}, listed, key, "key")
    return bundle
