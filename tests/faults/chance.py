# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What chance decides for one step of a random run. It depends on the seed alone, never on what came of earlier steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.support.server import REHEARSAL_SUFFIX

NAMES = ("sql", "tickets", "notes", "stray")
GOOD, BAD = ("first", "second", "third"), ("rank64", "oversized", "missing")
LOAD, UNLOAD, LIST = "/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/v1/models"

# Weighted by repetition. "write" stands for either route that writes.
_PLACES = (("GET", LIST), ("POST", LOAD), ("POST", UNLOAD), ("POST", "/v1/"), ("*", "/"), ("GET", "/version"))
_KINDS = (
    *("reset", "reset_body", "short_body", "cut_json", "html", "empty_list", "redirect", "ignored", "die", "die_after"),
    *("answer",) * 8,
    "silence",
    "trickle_body",
)
_STATUSES = (400, 401, 403, 404, 405, 409, 429, 500, 502, 503, 504)
_BODIES: tuple[Mapping[str, Any], ...] = (
    {"json": {"error": {"message": "Something went wrong.", "type": "InternalServerError", "code": 500}}},
    {"json": {"detail": "Not Found"}},
    {"text": "<html>proxy</html>"},
    {},
)


@dataclass
class Step:
    """One run of one operation and what happens around it; plain data, so that it can be printed.

    Attributes:
        world: what others do before the run, as (verb, name, artifact).
        operation: "set", "one" or "info".
        options: of the operation; paths are names of artifacts.
        faults: keyword arguments of the stand-in's Fault.
        interruption: what others do at that request of the run, as (number, verb, name, artifact).
    """

    world: list[tuple[str, str, str]] = field(default_factory=list)
    operation: str = "set"
    options: dict[str, Any] = field(default_factory=dict)
    check_mode: bool = False
    faults: list[dict[str, Any]] = field(default_factory=list)
    interruption: tuple[int, str, str, str] | None = None


def choose(chance: Random) -> Step:
    """One step. Two of three have no fault, so that every state is reached."""
    step = Step(check_mode=chance.random() < 0.2)
    step.world = [_deed(chance) for _deed_number in range(chance.choice((0, 0, 1, 2)))]
    step.operation = chance.choice(("set",) * 6 + ("one",) * 3 + ("info",))
    if step.operation == "set":
        step.options = _node(chance)
    elif step.operation == "one":
        step.options = {**_adapter(chance, chance.choice(NAMES[:3])), **_strategy(chance)}
    if chance.random() < 0.4:
        step.faults = [_fault(chance) for _number in range(chance.choice((1, 1, 1, 2)))]
    if chance.random() < 0.15:
        step.interruption = (chance.randrange(8), *_deed(chance))
    return step


def _deed(chance: Random) -> tuple[str, str, str]:
    verb = chance.choice(("load", "load", "unload", "unload", "restart", "rehearsal"))
    name = chance.choice(NAMES) + (REHEARSAL_SUFFIX if verb == "rehearsal" else "")
    return "load" if verb == "rehearsal" else verb, name, chance.choice(GOOD)


def _node(chance: Random) -> dict[str, Any]:
    names = chance.sample(NAMES[:3], chance.randrange(4))
    options: dict[str, Any] = {"adapters": [_adapter(chance, name) for name in names], **_strategy(chance)}
    if chance.random() < 0.4:
        options["prune"] = True
        options["prune_exclude"] = chance.choice(([], [], ["str*"], ["*"]))
        options["prune_limit"] = chance.choice((None, None, 0, 1))
    return options


def _adapter(chance: Random, name: str) -> dict[str, Any]:
    state = chance.choice(("present",) * 7 + ("reloaded", "absent"))
    path = chance.choice(GOOD * 4 + BAD)
    return {"name": name, "state": state, **({} if state == "absent" else {"path": path})}


def _strategy(chance: Random) -> dict[str, str]:
    return {"reload_strategy": chance.choice(("replace",) * 5 + ("in_place",))}


def _fault(chance: Random) -> dict[str, Any]:
    method, path = chance.choice(_PLACES)
    fault: dict[str, Any] = {"method": method, "path": path, "kind": chance.choice(_KINDS)}
    if fault["kind"] == "ignored":
        fault.update(method="POST", path=chance.choice((LOAD, UNLOAD, "/v1/")))
    if fault["kind"] == "answer":
        fault.update(status=chance.choice(_STATUSES), **chance.choice(_BODIES))
    fault["times"] = chance.choice((1, 1, 1, 2, 3, None))
    fault["after"] = chance.choice((0, 0, 0, 1, 1, 2, 3, 4))
    fault["effect"] = fault["kind"] in ("reset", "answer") and chance.random() < 0.3
    return fault
