# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site without servers: its directory, its keys, and bundles that are signed by a real ssh-keygen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.sealed import NODE, SERIAL, allow, artifact, new_key, write_bundle


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    directory = tmp_path_factory.mktemp("keys")
    return SimpleNamespace(**{name: new_key(directory / name) for name in ("headquarters", "site", "stranger")})


@pytest.fixture
def make_bundle(tmp_path: Path, keys: SimpleNamespace) -> Callable[..., Path]:
    """Call it to get a bundle. carried: seeds of the artifacts in it; declared: seeds of those that it declares."""

    def make(
        serial: int = SERIAL,
        node: str = NODE,
        carried: tuple[str, ...] = ("first", "second"),
        declared: tuple[str, ...] = ("first", "second"),
        key: Path | None = None,
        more: dict[str, bytes] | None = None,
        **header: object,
    ) -> Path:
        adapters = [{"name": seed, "digest": artifact(seed)[0]} for seed in declared]
        variables = {"lora_store": str(tmp_path / "store"), "lora_adapters": adapters}
        files = dict(more or {})
        for seed in carried:
            digest, its = artifact(seed)
            files.update({f"artifacts/{digest[7:]}/{name}": content for name, content in its.items()})
        return write_bundle(tmp_path / "disk", key or keys.headquarters, variables, files, node, serial, **header)

    return make


@pytest.fixture
def site(tmp_path: Path, keys: SimpleNamespace) -> Path:
    """`agent_directory`."""
    directory = tmp_path / "site"
    directory.mkdir()
    allow(directory / "allowed_signers", 'headquarters namespaces="sovereign.vllm.bundle"', keys.headquarters)
    return directory
