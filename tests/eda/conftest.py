# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.stand_in import StandIn, write_adapter

NewServers = Callable[..., dict[str, StandIn]]


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Artifacts that any server can load, by name."""
    root = tmp_path_factory.mktemp("artifacts")
    return {name: write_adapter(root / name, seed=seed) for seed, name in enumerate(("first", "second", "third"))}


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn(base_models=("tiny", "tiny-alias")) as server:
        yield server


@pytest.fixture
def servers() -> Iterator[NewServers]:
    """Call it with names and the settings of a StandIn, and get one of these for each name."""
    with ExitStack() as stack:
        yield lambda names, **settings: {name: stack.enter_context(StandIn(**settings)) for name in names}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The path of the declaration file."""
    return tmp_path / "declaration.json"
