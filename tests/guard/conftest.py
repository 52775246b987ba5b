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
    """With all that it can show to whoever has no key."""
    with StandIn("0.32", api_key=SERVER, dev_routes=True) as server:
        yield server


@pytest.fixture
def guarded(nginx: Nginx, server: StandIn, tmp_path: Path) -> Guarded:
    return Guarded(nginx, server.url, tmp_path / "runs")
