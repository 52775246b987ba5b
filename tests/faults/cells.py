# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix: one server for each fault, place and operation, all those of an operation in one run of a playbook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tests.stand_in import Fault, StandIn
from tests.support.playbook import IN_WORKER, TaskResult, run_playbook
from tests.support.server import REHEARSAL_SUFFIX, Server

from .catalogue import FAULTS, KnownFault
from .chance import LIST, LOAD, UNLOAD
from .operations import OPERATIONS, WRITING, Operation

# Where a fault hits: keyword arguments of Fault beside those of the fault, and the operations that come there.
PLACES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "the first reading": ({"method": "GET", "path": LIST}, tuple(OPERATIONS)),
    "every later reading": ({"method": "GET", "path": LIST, "after": 1}, WRITING),
    "every write": ({"method": "POST", "path": "/v1/"}, WRITING),
    "the unload in a swap": ({"method": "POST", "path": UNLOAD, "times": 1}, ("reload", "replace")),
    "the load in a swap": ({"method": "POST", "path": LOAD, "after": 1, "times": 1}, ("reload", "replace", "in place")),
}
FORKS = 40
# Seconds. Where the client has to wait in vain, and where it has not.
SHORT = {"timeout": 5, "load_timeout": 5}
LONG = {"timeout": 60, "load_timeout": 60}


@dataclass(frozen=True)
class Cell:
    operation: str
    place: str
    fault: KnownFault


@dataclass(frozen=True)
class Seen:
    """What came of a cell. outcome: ok, changed, failed or unreachable; state: in words; writes: how many were sent."""

    outcome: str
    code: str | None
    state: str
    writes: int


def cells_of(operation: str) -> list[Cell]:
    """All cells of one operation. A reading cannot be an ignored write, and what took effect must be a write."""
    return [
        Cell(operation, place, fault)
        for place, (where, operations) in PLACES.items()
        for fault in FAULTS
        if operation in operations and _makes_sense(fault, where)
    ]


def _makes_sense(fault: KnownFault, where: Mapping[str, Any]) -> bool:
    if not fault.how:
        return where == PLACES["the first reading"][0]
    return where["method"] == "POST" or not (fault.how["kind"] == "ignored" or fault.how.get("effect"))


def run_cells(cells: Iterable[Cell], artifacts: Path, directory: Path) -> dict[Cell, Seen]:
    """Run the operation that all cells have in common."""
    cells = list(cells)
    name = cells[0].operation
    operation = OPERATIONS[name]
    with ExitStack() as servers:
        stand_ins = {f"cell{number}": servers.enter_context(StandIn()) for number in range(len(cells))}
        hosts = {}
        for (host, stand_in), cell in zip(stand_ins.items(), cells, strict=True):
            prepare(stand_in, cell, operation, artifacts)
            hosts[host] = {**host_variables(stand_in, artifacts), **(SHORT if cell.fault.slow else LONG)}
        hosts = dict(sorted(hosts.items(), key=lambda host: host[1]["timeout"]))  # those that wait come first
        run = run_playbook(operation.task(name), hosts, directory, rc=None, **how_to_run(operation))
        results = run.of(name)
        return {
            cell: seen(outcome_of(results[host]), results[host].code, operation, stand_in)
            for (host, stand_in), cell in zip(stand_ins.items(), cells, strict=True)
        }


def outcome_of(result: TaskResult) -> str:
    return "changed" if result.status == "ok" and result.changed else result.status


def prepare(stand_in: StandIn, cell: Cell, operation: Operation, artifacts: Path) -> None:
    """Serve what the operation finds, and put the fault in place."""
    serve(stand_in, operation, artifacts)
    if cell.fault.how:
        stand_in.faults.add(Fault(**PLACES[cell.place][0], **cell.fault.how))
    else:
        stand_in.kill()


def serve(stand_in: StandIn, operation: Operation, artifacts: Path) -> None:
    for name, artifact in {"other": "old", **operation.before}.items():
        stand_in.load(name, artifacts / artifact)


def host_variables(stand_in: StandIn, artifacts: Path) -> dict[str, Any]:
    return {**IN_WORKER, "url": stand_in.url, "artifacts": str(artifacts)}


def how_to_run(operation: Operation) -> dict[str, Any]:
    defaults = {"base_url": "{{ url }}", "timeout": "{{ timeout }}", "retries": 1, "retry_delay": 0.05}
    if operation.writes:
        defaults["load_timeout"] = "{{ load_timeout }}"
    return {"defaults": defaults, "options": ["--forks", str(FORKS)]}


def seen(outcome: str, code: str | None, operation: Operation, stand_in: StandIn) -> Seen:
    """Let the server behave again and look at it. One that was cut off comes back with all that it had."""
    writes = len(stand_in.writes)
    stand_in.faults.clear()
    stand_in.kill()
    stand_in.start()
    return Seen(outcome, code, state(operation, Server(stand_in.url).served()), writes)


def state(operation: Operation, served: Mapping[str, str]) -> str:
    """What is served, in words."""
    left = [name for name in served if name.endswith(REHEARSAL_SUFFIX)]
    found = {name: PurePosixPath(root).name for name, root in served.items() if name not in left}
    return words(operation, found) + (" + rehearsal" if left else "")


def words(operation: Operation, found: dict[str, str]) -> str:
    if found.pop("other", None) != "old":
        return "OTHERS TOUCHED"
    if found.get("sql") == "theirs":
        return "theirs"
    if found == operation.before:
        return "before"
    if found == operation.after:
        return "declared"
    if operation.before.keys() & operation.after.keys() - found.keys():
        return "missing"
    return "partly"
