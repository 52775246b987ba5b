# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others do to a server between two requests of a run, and what the run has to come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any

from tests.stand_in import Request, StandIn
from tests.support.playbook import Run, run_playbook
from tests.support.server import Server

from .cells import LONG, Seen, host_variables, how_to_run, outcome_of, serve, state
from .chance import LOAD, UNLOAD
from .operations import OPERATIONS

# The request before which it happens: the first of the path, or the second one.
BEFORE_THE_FIRST_WRITE, AT_THE_UNLOAD, AT_THE_LOAD = ("/version", 1), (UNLOAD, 1), (LOAD, 2)
PATIENCE = 120  # seconds; a last resort


def somebody_unloads(stand_in: StandIn, artifacts: Path) -> None:
    if "sql" in Server(stand_in.url).served():
        stand_in.unload("sql")


def somebody_changes(stand_in: StandIn, artifacts: Path) -> None:
    somebody_unloads(stand_in, artifacts)
    stand_in.load("sql", artifacts / "theirs")


def restarts(stand_in: StandIn, artifacts: Path) -> None:
    stand_in.forget()


Deed = Callable[[StandIn, Path], None]
Rules = Mapping[str, Seen]
CHANGED = "changed"
LOST_AND_BACK = ("failed", "not_converged", "declared")

# What happens, before which request, and by operation what the run comes to.
MEDDLING: dict[str, tuple[Deed, tuple[str, int], Rules]] = {
    "Another client unloads the adapter before the first write": (
        somebody_unloads,
        BEFORE_THE_FIRST_WRITE,
        {
            "reload": Seen(CHANGED, None, "before", 4),
            "replace": Seen(CHANGED, None, "declared", 4),
            "in place": Seen(CHANGED, None, "declared", 3),
            "unload": Seen(CHANGED, None, "declared", 1),
            "set": Seen(CHANGED, None, "declared", 5),
            "set with prune": Seen(*LOST_AND_BACK, 3),
        },
    ),
    "Another client loads another artifact under the name": (
        somebody_changes,
        BEFORE_THE_FIRST_WRITE,
        {
            "load": Seen("failed", "not_converged", "theirs", 1),
            "reload": Seen(CHANGED, None, "before", 4),
            "replace": Seen(CHANGED, None, "declared", 4),
            "in place": Seen(CHANGED, None, "declared", 3),
            "unload": Seen(CHANGED, None, "declared", 1),
            "set": Seen(CHANGED, None, "declared", 5),
            "set with prune": Seen("failed", "not_converged", "theirs", 2),
        },
    ),
    "The server restarts before the first write": (
        restarts,
        BEFORE_THE_FIRST_WRITE,
        {
            "load": Seen(CHANGED, None, "declared", 1),
            "reload": Seen(CHANGED, None, "before", 4),
            "replace": Seen(CHANGED, None, "declared", 4),
            "in place": Seen(CHANGED, None, "declared", 3),
            "unload": Seen(CHANGED, None, "declared", 1),
            "set": Seen(*LOST_AND_BACK, 6),
            "set with prune": Seen(*LOST_AND_BACK, 3),
        },
    ),
    "The server restarts after the rehearsal": (
        restarts,
        AT_THE_UNLOAD,
        {
            "reload": Seen(CHANGED, None, "before", 4),
            "replace": Seen(CHANGED, None, "declared", 4),
            "set": Seen(*LOST_AND_BACK, 6),
        },
    ),
    "The server restarts between unload and load": (
        restarts,
        AT_THE_LOAD,
        {
            "reload": Seen(CHANGED, None, "before", 4),
            "replace": Seen(CHANGED, None, "declared", 4),
            "set": Seen(*LOST_AND_BACK, 6),
        },
    ),
}
BALANCED = "Two replicas behind one address"
# They answer in turn; a state for each where they differ.
REPLICAS: Rules = {
    "load": Seen("failed", "not_converged", "before / declared", 1),
    "reload": Seen("failed", "not_converged", "before", 2),
    "replace": Seen("failed", "not_converged", "before", 2),
    "in place": Seen("failed", "not_converged", "before", 2),
    "unload": Seen("failed", "not_converged", "before / declared", 1),
    "set": Seen("failed", "not_converged", "before / partly", 3),
    "set with prune": Seen("failed", "not_converged", "partly", 2),
    "info": Seen("ok", None, "before", 0),
}
# A second run of the same from beginning to end while the first one is held up; the writes are those of both.
SECOND_RUN: dict[str, tuple[tuple[str, int], Rules]] = {
    "A second playbook runs before the first write": (
        BEFORE_THE_FIRST_WRITE,
        {
            "load": Seen(CHANGED, None, "declared", 2),
            "reload": Seen(CHANGED, None, "before", 8),
            "replace": Seen(CHANGED, None, "declared", 8),
            "in place": Seen(CHANGED, None, "declared", 6),
            "unload": Seen(CHANGED, None, "declared", 2),
            "set": Seen(CHANGED, None, "declared", 10),
            "set with prune": Seen(CHANGED, None, "declared", 4),
        },
    ),
    "A second playbook runs after the rehearsal": (
        AT_THE_UNLOAD,
        {"replace": Seen(CHANGED, None, "declared", 9), "set": Seen(CHANGED, None, "declared", 11)},
    ),
    "A second playbook runs between unload and load": (
        AT_THE_LOAD,
        {"replace": Seen(CHANGED, None, "declared", 6), "set": Seen(CHANGED, None, "declared", 8)},
    ),
}


def meddle(operation: str, artifacts: Path, directory: Path) -> dict[str, Seen]:
    """Run one operation on a server for each line of MEDDLING, and on two replicas."""
    with ExitStack() as servers:
        stand_ins = {}
        for name, (deed, when, rules) in MEDDLING.items():
            if operation in rules:
                stand_in = _serving(servers, operation, artifacts)
                stand_in.on_request = _once(when, lambda deed=deed, server=stand_in: deed(server, artifacts))
                stand_ins[name] = stand_in
        stand_ins[BALANCED] = _serving(servers, operation, artifacts, replicas=2)
        run = _run(operation, stand_ins, artifacts, directory)
        return {name: _seen(operation, run, name, stand_in) for name, stand_in in stand_ins.items()}


def run_twice(operation: str, artifacts: Path, directory: Path) -> dict[str, tuple[Seen, Seen]]:
    """Hold up one run, let another one pass, and return what came of both, for each line of SECOND_RUN."""
    with ExitStack() as servers, ThreadPoolExecutor(1) as aside:
        release, held, stand_ins = Event(), [], {}
        servers.callback(release.set)
        for name, (when, rules) in SECOND_RUN.items():
            if operation in rules:
                stand_ins[name] = _serving(servers, operation, artifacts)
                held.append(Event())
                stand_ins[name].on_request = _once(when, lambda here=held[-1]: here.set() or release.wait(PATIENCE))
        first = aside.submit(_run, operation, stand_ins, artifacts, directory / "first")
        assert all(here.wait(PATIENCE) for here in held)
        second = _run(operation, stand_ins, artifacts, directory / "second")
        release.set()
        runs = (first.result(), second)
        return {
            name: (_seen(operation, runs[0], name, stand_in), _seen(operation, runs[1], name, stand_in))
            for name, stand_in in stand_ins.items()
        }


def _serving(servers: ExitStack, operation: str, artifacts: Path, **settings: Any) -> StandIn:
    stand_in = servers.enter_context(StandIn(**settings))
    serve(stand_in, OPERATIONS[operation], artifacts)
    return stand_in


def _once(when: tuple[str, int], deed: Callable[[], object]) -> Callable[[Request], None]:
    path, count = when
    arrived: list[Request] = []

    def on_request(request: Request) -> None:
        if request.path == path:
            arrived.append(request)
            if len(arrived) == count and arrived[-1] is request:
                deed()

    return on_request


def _run(operation: str, stand_ins: Mapping[str, StandIn], artifacts: Path, directory: Path) -> Run:
    hosts = {_host(name): {**host_variables(stand_in, artifacts), **LONG} for name, stand_in in stand_ins.items()}
    work = OPERATIONS[operation]
    return run_playbook(work.task("run"), hosts, directory, rc=None, **how_to_run(work))


def _host(name: str) -> str:
    return name.replace(" ", "_")


def _seen(operation: str, run: Run, name: str, stand_in: StandIn) -> Seen:
    """Each replica is asked once. A restarted server has forgotten what is nobody's business, too."""
    result = run.of("run")[_host(name)]
    writes = len(stand_in.writes)
    stand_in.on_request = None
    server = Server(stand_in.url)
    states = set()
    for _replica in range(stand_in.settings.replicas):
        served = server.served()
        others = {} if "restarts" in name else {"other": served.pop("other", "gone")}
        states.add(state(OPERATIONS[operation], {"other": "old", **served, **others}))
    return Seen(outcome_of(result), result.code, " / ".join(sorted(states)), writes)
