# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fault suite needs once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stand_in import write_adapter


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-guide", action="store_true", help="write what is seen into the guide to faults")


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three adapters: "old", "new" and "theirs"."""
    directory = tmp_path_factory.mktemp("artifacts").resolve()
    for seed, name in enumerate(("old", "new", "theirs")):
        write_adapter(directory / name, seed=seed)
    return directory
