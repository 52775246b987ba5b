# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real nginx in front of the stand-in. Where there is no nginx, these tests are skipped, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stand_in import StandIn
from tests.support.nginx import Nginx

from .guarded import SERVER, Guarded


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    with Nginx(tmp_path / "nginx") as nginx:
        yield nginx


@pytest.fixture
def server() -> Iterator[StandIn]:
    """An old one, with all that it can show to clients without a key."""
    with StandIn("0.17", api_key=SERVER, dev_routes=True) as server:
        yield server


@pytest.fixture
def guarded(nginx: Nginx, server: StandIn, tmp_path: Path) -> Guarded:
    return Guarded(nginx, server.url, tmp_path / "runs")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-guard-guide", action="store_true", help="write what is seen into the guide to the guard"
    )
