# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sites in every state that a verdict is about, each with a server and a declaration of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.stand_in import Fault, StandIn
from tests.support.playbook import IN_WORKER, run_playbook

OTHER_BASE_MODEL = {"base_models": [{"id": "tiny", "root": "/models/another"}]}


@dataclass(frozen=True)
class State:
    """One site.

    Attributes:
        verdict: on it, before anything heals it.
        served: what its server serves: name to the name of an example.
        declared: `lora_adapters`; PATH in it stands for the directory of the examples, SOURCES for that of the sources.
            None: the host has no such variable.
        variables: other variables of the host.
        drifts: the adapters that differ, by name.
        healed: the verdict after a converge that was allowed to heal.
    """

    verdict: str
    served: dict[str, str] = field(default_factory=dict)
    declared: Any = None
    variables: dict[str, Any] = field(default_factory=dict)
    drifts: dict[str, str] = field(default_factory=dict)
    healed: str = ""

    @property
    def is_by_src(self) -> bool:
        return any(isinstance(one, dict) and {"src", "digest"} & one.keys() for one in self.declared or [])


SQL = {"name": "sql", "path": "PATH/first"}
ONE, TWO = {"sql": "first"}, {"sql": "first", "extra": "second"}
STAGED = {"name": "sql", "src": "SOURCES/sql"}
GONE = {"name": "sql", "src": "SOURCES/gone"}
# No path can be given for these.
UNRESOLVABLE = ("not-declared", "mistyped-key", "null", "src-gone")
STATES = {
    "in-sync": State("in_sync", ONE, [SQL]),
    "reloaded": State("in_sync", ONE, [{**SQL, "state": "reloaded"}]),
    "missing": State("drifted", {}, [SQL], drifts={"sql": "missing"}, healed="in_sync"),
    "other-path": State("drifted", {"sql": "second"}, [SQL], drifts={"sql": "path"}, healed="in_sync"),
    "absent": State(
        "drifted", ONE, [{"name": "sql", "state": "absent"}], drifts={"sql": "unexpected"}, healed="in_sync"
    ),
    "undeclared": State("undeclared", TWO, [SQL]),
    "unexpected": State("drifted", TWO, [SQL], {"lora_prune": True}, {"extra": "unexpected"}, healed="in_sync"),
    "excluded": State("in_sync", TWO, [SQL], {"lora_prune_exclude": ["ext*"]}),
    "excluded-prune": State("in_sync", TWO, [SQL], {"lora_prune": True, "lora_prune_exclude": ["ext*"]}),
    "above-limit": State("failed", TWO, [SQL], {"lora_prune": True, "lora_prune_limit": 0}),
    "empty": State("in_sync", {}, []),
    "empty-undeclared": State("undeclared", ONE, []),
    "empty-prune": State("drifted", ONE, [], {"lora_prune": "yes"}, {"sql": "unexpected"}, healed="in_sync"),
    "offline": State("unreachable", ONE, [SQL]),
    "garbage": State("failed", ONE, [SQL]),
    "not-declared": State("not_declared", ONE),
    "mistyped-key": State("failed", ONE, [{**SQL, "base_modell": "tiny"}]),
    "null": State("failed", ONE, [None]),
    "no-such-base-model": State("failed", ONE, [{**SQL, "base_model": "huge"}]),
    "other-server": State("drifted", ONE, [SQL], {"lora_requires": OTHER_BASE_MODEL}, {"sql": "server"}),
    "other-release": State("drifted", ONE, [SQL], {"lora_requires": {"version": ">=99.0"}}, {"sql": "server"}),
    "src-staged": State("in_sync", {"sql": "STAGED"}, [STAGED]),
    "src-not-staged": State("drifted", {}, [STAGED], drifts={"sql": "missing"}, healed="in_sync"),
    "src-gone": State("failed", {"sql": "STAGED"}, [GONE]),
    "src-gone-digest": State("in_sync", {"sql": "STAGED"}, [{**GONE, "digest": "DIGEST"}]),
    "digest-not-served": State(
        "drifted", {}, [{**GONE, "digest": "DIGEST"}], drifts={"sql": "missing"}, healed="in_sync"
    ),
}


class States:
    """The sites of STATES, running. `directory` has their inventory: hosts.json and sites.vllm.yml."""

    def __init__(self, directory: Path, examples: Path, digest: str, servers: dict[str, StandIn]) -> None:
        self.directory = directory
        self.servers = servers
        self._places = {"PATH": str(examples), "SOURCES": str(directory / "sources"), "DIGEST": digest}
        hosts = {name: self._host(name, state) for name, state in STATES.items()}
        (directory / "hosts.json").write_text(json.dumps({"vllm": {"hosts": hosts}}))
        plugin = {"plugin": "sovereign.vllm.vllm", "from_hosts": {"pattern": "vllm"}, "timeout": 5}
        (directory / "sites.vllm.yml").write_text(json.dumps(plugin))

    def _host(self, name: str, state: State) -> dict[str, Any]:
        url = "http://127.0.0.1:9" if name == "offline" else self.servers[name].url
        found: dict[str, Any] = {
            **IN_WORKER,
            "vllm_base_url": url,
            "vllm_retries": 0,
            "lora_store": self.store(name),
            **state.variables,
        }
        if state.declared is not None:
            text = json.dumps(state.declared)
            for written, real in self._places.items():
                text = text.replace(written, real)
            found["lora_adapters"] = json.loads(text)
        return found

    def store(self, name: str) -> str:
        return str(self.directory / "stores" / name)

    def meddle(self) -> None:
        """Load one more adapter into every server, behind everybody's back."""
        for server in self.servers.values():
            server.load("meddled", f"{self._places['PATH']}/second")

    def undo(self) -> None:
        """Unload it again."""
        for server in self.servers.values():
            server.unload("meddled")

    def writes(self) -> dict[str, list[str]]:
        """The requests that wrote, by site, since the logs were cleared."""
        return {name: [one.path for one in server.writes] for name, server in self.servers.items() if server.writes}

    def clear_logs(self) -> None:
        for server in self.servers.values():
            server.clear_log()


@contextmanager
def running_states(directory: Path, examples: Path) -> Iterator[States]:
    """Yield them."""
    shutil.copytree(examples / "first", directory / "sources" / "sql")
    by_src = [name for name, state in STATES.items() if state.is_by_src]
    places, digest = _staged(directory, [name for name in by_src if name != "src-not-staged"])
    with ExitStack() as stack:
        servers = {}
        for name, state in STATES.items():
            static = {
                adapter: places[name] if example == "STAGED" else str(examples / example)
                for adapter, example in state.served.items()
            }
            servers[name] = stack.enter_context(StandIn(static=static))
        servers["garbage"].faults.add(Fault("GET", "/v1/models", "html"))
        yield States(directory, examples, digest, servers)


def _staged(directory: Path, sites: list[str]) -> tuple[dict[str, str], str]:
    """Stage the source in the store of each site. Return the path by site, and the digest."""
    artifact = {"name": "sql", "src": str(directory / "sources" / "sql"), "store": "{{ store }}"}
    hosts = {name: {**IN_WORKER, "store": f"{directory}/stores/{name}"} for name in sites}
    task = {"name": "stage", "sovereign.vllm.vllm_lora_artifact": artifact}
    results = run_playbook(f"- {json.dumps(task)}", hosts, directory / "staging").of("stage")
    return {name: result["path"] for name, result in results.items()}, results[sites[0]]["digest"]
