# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories on stand-ins of vLLM."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.stand_in import StandIn
from tests.support.inventory import Inventory

#: Nobody listens there.
CLOSED = "http://127.0.0.1:9"

NewServer = Callable[..., StandIn]
NewInventory = Callable[..., Inventory]


@pytest.fixture
def new_server() -> Iterator[NewServer]:
    """Call it with the settings of a StandIn."""
    with ExitStack() as servers:
        yield lambda **settings: servers.enter_context(StandIn(**settings))


@pytest.fixture
def new_inventory(tmp_path: Path) -> NewInventory:
    """Call it with the options of the plugin, and with other inventory sources."""
    count = 0

    def new(*sources: Path, **options: Any) -> Inventory:
        nonlocal count
        count += 1
        return Inventory(tmp_path / f"inventory{count}", {"timeout": 5, **options}, sources)

    return new
