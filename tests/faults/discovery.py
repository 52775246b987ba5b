# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The column of the matrix that is no task: the inventory plugin, which asks all faulty servers in one run."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.stand_in import StandIn
from tests.support.inventory import Inventory, Listing

from .cells import SHORT, Cell, Seen, cells_of, prepare, seen
from .operations import OPERATIONS

INVENTORY = "inventory"


def list_cells(artifacts: Path, directory: Path) -> dict[Cell, Seen]:
    """List an inventory of one server for each fault. Its hosts are in one of two groups, and stay in the inventory."""
    cells = [Cell(INVENTORY, cell.place, cell.fault) for cell in cells_of("info")]
    operation = OPERATIONS["info"]
    with ExitStack() as servers:
        stand_ins = {f"cell{number}": servers.enter_context(StandIn()) for number in range(len(cells))}
        for cell, stand_in in zip(cells, stand_ins.values(), strict=True):
            prepare(stand_in, cell, operation, artifacts)
        endpoints = [{"name": host, "base_url": stand_in.url} for host, stand_in in stand_ins.items()]
        options = {"endpoints": endpoints, "timeout": 2 * SHORT["timeout"], "retries": 1, "retry_delay": 0.05}
        listing = Inventory(directory, options).list()
        return {
            cell: seen(_outcome(listing, host), listing[host]["vllm_error"]["code"], operation, stand_in)
            for cell, (host, stand_in) in zip(cells, stand_ins.items(), strict=True)
        }


def _outcome(listing: Listing, host: str) -> str:
    unreachable = host in listing.members("vllm_unreachable") and listing[host]["vllm_served_adapters"] == []
    return "unreachable" if unreachable else "ok"
