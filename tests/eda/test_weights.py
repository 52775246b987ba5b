# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other weights under a name and a path that stay: an event with fingerprints, and nothing without."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.stand_in import Fault, StandIn
from tests.support.asking import ask, eventually

from .watching import Watching, declare, observed

PROMPTS = ["The river flows", "def add(a, b):"]


def record(server: StandIn, path: Path, file: Path, **other: str) -> None:
    """Write what the role records."""
    payload = {"model": "sql", "prompt": PROMPTS, "logprobs": 5, "max_tokens": 1, "temperature": 0}
    choices = ask(server.url, "POST", "/v1/completions", payload, {}, timeout=30).json["choices"]
    tops = [choice["logprobs"]["top_logprobs"][0] for choice in choices]
    origin = {"path": str(path), "base_model": "tiny", "root": "tiny", "version": "0.32.0", **other}
    found = {**origin, "route": "/v1/completions", "prompts": PROMPTS, "logprobs": tops, "cached_logprobs": tops}
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"sql": found}))


def completions(server: StandIn) -> int:
    return sum(request.path == "/v1/completions" for request in server.log)


def test_other_weights_and_the_right_ones_again(servers, file, artifacts, tmp_path):
    directory = tmp_path / "fingerprints"
    stands = servers(["edge1", "upgraded", "unrecorded"])
    paths = {name: shutil.copytree(artifacts["first"], tmp_path / name) for name in stands}
    for name, server in stands.items():
        server.load("sql", paths[name])
        if name != "unrecorded":
            other = {"version": "0.31.0"} if name == "upgraded" else {}
            record(server, paths[name], directory / f"{name}.json", **other)
        server.clear_log()
    declare(
        file,
        *(
            {"name": name, "base_url": server.url, "adapters": [{"name": "sql", "path": str(paths[name])}]}
            for name, server in stands.items()
        ),
    )
    server = stands["edge1"]

    def swap(example: str) -> None:
        shutil.copytree(artifacts[example], paths["edge1"], dirs_exist_ok=True)
        server.unload("sql")
        server.load("sql", paths["edge1"])

    with Watching(file, fingerprints=str(directory), weights_interval=1) as watching:
        assert eventually(lambda: completions(server) >= 2)
        assert watching.events == []
        swap("second")
        (event,) = [event for event in watching.next(1) if event["endpoint"] == "edge1"]
        (difference,) = event["difference"]
        assert (event["state"], difference["drift"], difference["action"]) == ("drifted", "weights", "none")
        assert (event["summary"]["weights"], event["endpoint"]) == (1, "edge1")
        assert "'sql' (weights)" in event["msg"]
        # No answer is no news about weights.
        server.faults.add(Fault("POST", "/v1/completions", "answer", status=500, times=2))
        observed(server)
        swap("first")
        (event,) = watching.next()
        assert (event["state"], event["endpoint"]) == ("recovered", "edge1")
        assert watching.events == []
    for name in ("upgraded", "unrecorded"):
        assert completions(stands[name]) == 0
    for server in stands.values():
        assert {request.path for request in server.writes} <= {"/v1/completions"}

    server = stands["edge1"]
    server.clear_log()
    swap("second")
    with Watching(file):
        observed(server)
        assert completions(server) == 0
