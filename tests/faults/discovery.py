# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The column of the matrix that is no task: the inventory plugin, which asks all faulty servers in one run."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.support.inventory import Inventory
from tests.support.server import Server
from tests.vllm_stand_in import Fault, StandIn

from .cells import SHORT, Cell, Seen, cells_of, serve, state
from .operations import OPERATIONS, Operation

INVENTORY = "inventory"


def list_cells(artifacts: Path, directory: Path) -> dict[Cell, Seen]:
    """List an inventory of one server for each fault. Its hosts are in one of two groups, and stay in the inventory."""
    cells = [Cell(INVENTORY, cell.place, cell.fault) for cell in cells_of("info")]
    operation = OPERATIONS["info"]
    with ExitStack() as servers:
        stand_ins = {f"cell{number}": servers.enter_context(StandIn()) for number in range(len(cells))}
        for cell, stand_in in zip(cells, stand_ins.values(), strict=True):
            serve(stand_in, operation, artifacts)
            if cell.fault.how:
                stand_in.faults.add(Fault("GET", "/v1/models", **cell.fault.how))
            else:
                stand_in.kill()
        endpoints = [{"name": host, "base_url": stand_in.url} for host, stand_in in stand_ins.items()]
        options = {"endpoints": endpoints, "timeout": 2 * SHORT["timeout"], "retries": 1, "retry_delay": 0.05}
        listing = Inventory(directory, options).list()
        return {
            cell: _seen(host in listing.members("vllm_unreachable"), listing[host], operation, stand_in)
            for cell, (host, stand_in) in zip(cells, stand_ins.items(), strict=True)
        }


def _seen(unreachable: bool, variables: dict, operation: Operation, stand_in: StandIn) -> Seen:
    writes = len(stand_in.writes)
    stand_in.faults.clear()
    stand_in.kill()
    stand_in.start()
    outcome = "unreachable" if unreachable and variables["vllm_lora_adapters"] == [] else "ok"
    return Seen(outcome, variables["vllm_error"]["code"], state(operation, Server(stand_in.url).served()), writes)
