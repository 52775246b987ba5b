# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stand_in import write_adapter
from tests.support.artifact_server import ArtifactServer


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return write_adapter(tmp_path / "adapter", rank=8)


@pytest.fixture
def adapter_with_notes(adapter: Path) -> Path:
    """An adapter with a file that every release reads, one that some read, and one that none reads."""
    (adapter / "notes").mkdir()
    (adapter / "notes" / "README.md").write_text("Trained on Tuesday.", encoding="utf-8")
    (adapter / "vocab.json").write_text("{}", encoding="utf-8")
    return adapter


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ArtifactServer]:
    """A server of artifacts. Credentials and proxies of this machine are not used."""
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    for variable in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG", "http_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with ArtifactServer() as running:
        yield running
