# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site without servers: its directory, its keys, and bundles that are signed by a real ssh-keygen. What would serve is a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
        variables: dict[str, object] | None = None,
        **header: object,
    ) -> Path:
        adapters = [{"name": seed, "digest": artifact(seed)[0]} for seed in declared]
        variables = {
            "vllm_base_url": "http://127.0.0.1:8000",
            "lora_store": str(tmp_path / "store"),
            "lora_adapters": adapters,
            **(variables or {}),
        }
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


ROW = {"name": "one", "verdict": "in_sync"}


class Servers:
    """Serves what the inventory declares. A file keeps it, so that a process that is killed leaves what it has done."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.fails = ""
        self.is_down = False
        self.asked = 0

    def playbooks(self, inventory: Path, scratch: Path, lock: int) -> Servers:
        self.inventory = inventory
        return self

    def require(self, endpoints: Mapping, what: str) -> None:
        self.asked += 1
        if self.is_down:
            from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError

            raise VllmError("unreachable", f"{', '.join(endpoints)}: the connection was refused")

    def converge(self, variables: Mapping) -> tuple[object, dict]:
        from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.playing import Outcome

        if self.fails:
            return Outcome(2, {"one": self.fails}, {}, ""), {"sites": []}
        self.file.write_text(self.inventory.read_text())
        return Outcome(0, {}, {}, ""), {"sites": [ROW]}


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Servers:
    from ansible_collections.sovereign.vllm.plugins.plugin_utils._site import applying

    servers = Servers(tmp_path / "served")
    monkeypatch.setattr(applying, "Playbooks", servers.playbooks)
    monkeypatch.setattr(applying, "require_servers", servers.require)
    return servers


@pytest.fixture
def apply(site: Path, keys: SimpleNamespace) -> Callable[..., dict]:
    from ansible_collections.sovereign.vllm.plugins.plugin_utils._site import applying

    def run(bundle: Path, check_mode: bool = False, given: Mapping | None = None) -> dict:
        options = {"directory": str(site), "node": NODE, "result_directory": None, "result_key": str(keys.site)}
        return applying.apply_bundle({"bundle": str(bundle), **options, **(given or {})}, check_mode)

    return run
