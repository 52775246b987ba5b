# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fifty random changes on five endpoints: the events are those of the changes, none lost and none doubled."""

from __future__ import annotations

import random
from contextlib import ExitStack
from pathlib import Path

from tests.stand_in import Fault, StandIn
from tests.support.asking import eventually

from .watching import PATIENCE, Watching, declare, observed

SEED = 940  # every kind of event and of drift is among its changes
ENDPOINTS, ROUNDS = 5, 10


class Site:
    """A server that things happen to, and the events that an observer has to be told."""

    def __init__(self, name: str, server: StandIn, artifacts: dict[str, Path]) -> None:
        self.name = name
        self.server = server
        self.artifacts = artifacts
        self.declared = {"sql": artifacts["first"], "notes": artifacts["second"]}
        self.served: dict[str, Path] = {}
        self.usable = True
        self.trouble = ""  # the verdict while it gives no usable answer
        self.events: list[tuple[str, dict[str, str]]] = []
        self._drift_told: dict[str, str] = {}
        for adapter, path in self.declared.items():
            self._load(adapter, path)

    def change(self, chance: random.Random) -> None:
        """Let one thing happen that changes the state, and note the events that it calls for."""
        was_usable, before = self.usable, self._drift()
        while (self.usable, self._drift()) == (was_usable, before):
            chance.choice(self._possible())(chance)
        if not self.usable:
            self.events.append((self.trouble, {}))
            return
        if not was_usable and self.trouble == "unreachable":
            self.events.append(("reachable", {}))
        if self._drift():
            self.events.append(("drifted", self._drift()))
        elif self._drift_told or (not was_usable and self.trouble == "failed"):
            self.events.append(("recovered", {}))
        self._drift_told = self._drift()

    def _possible(self) -> list:
        if not self.usable:
            return [self._repair]
        return [self._toggle, self._toggle, self._move, self._forget, self._die, self._talk_nonsense]

    def _drift(self) -> dict[str, str]:
        """Return the differences by name. Everything that is not declared is to be pruned."""
        missing = {name: "missing" for name in self.declared if name not in self.served}
        served = {name: "path" if name in self.declared else "unexpected" for name in self.served}
        return missing | {n: d for n, d in served.items() if self.served[n] != self.declared.get(n)}

    def _load(self, name: str, path: Path) -> None:
        self.server.load(name, path)
        self.served[name] = path

    def _unload(self, name: str) -> None:
        self.server.unload(name)
        del self.served[name]

    def _toggle(self, chance: random.Random) -> None:
        name = chance.choice([*self.declared, "stray"])
        if name in self.served:
            self._unload(name)
        else:
            self._load(name, self.declared.get(name, self.artifacts["third"]))

    def _move(self, chance: random.Random) -> None:
        name = chance.choice(list(self.served) or [None])
        if name:
            self._unload(name)
            self._load(name, chance.choice(list(self.artifacts.values())))

    def _forget(self, _chance: random.Random) -> None:
        self.server.forget()
        self.served = {}

    def _die(self, _chance: random.Random) -> None:
        self.server.kill()
        self.usable, self.trouble = False, "unreachable"

    def _talk_nonsense(self, chance: random.Random) -> None:
        kind = chance.choice(["html", "cut_json", "empty_list", "reset"])
        self.server.faults.add(Fault("GET", "/v1/models", kind))
        self.usable, self.trouble = False, "unreachable" if kind == "reset" else "failed"

    def _repair(self, _chance: random.Random) -> None:
        """Come back as a server does after a restart: empty."""
        self.server.faults.clear()
        self.server.restart()
        self.served = {}
        self.usable = True


def test_events_are_those_of_the_changes(file: Path, artifacts: dict[str, Path]):
    chance = random.Random(SEED)
    with ExitStack() as stack:
        sites = [Site(f"edge{n}", stack.enter_context(StandIn()), artifacts) for n in range(ENDPOINTS)]
        declared = [{"name": name, "path": str(path)} for name, path in sites[0].declared.items()]
        endpoints = ({"name": site.name, "base_url": site.server.url} for site in sites)
        declare(file, *endpoints, adapters=declared, prune=True)
        watching = stack.enter_context(Watching(file))
        for site in sites:
            observed(site.server, 1)
        for _round in range(ROUNDS):
            for site in sites:
                site.change(chance)
            for site in sites:
                told = eventually(lambda site=site: len(watching.of(site.name)) >= len(site.events), PATIENCE)
                assert told, f"waited in vain for {site.events} of {site.name}, there are {_short(watching, site)}"
        for site in sites:
            if not site.usable:
                site.change(chance)
            observed(site.server)
        assert {site.name: _short(watching, site) for site in sites} == {site.name: site.events for site in sites}


def _short(watching: Watching, site: Site) -> list[tuple[str, dict[str, str]]]:
    """The events of a site with the drifts by name."""
    return [
        (event["state"], {change["name"]: change["drift"] for change in event.get("difference", [])})
        for event in watching.of(site.name)
    ]
