# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of tasks on many sites on the controller, compared with a task that does nothing."""

from __future__ import annotations

import json
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.loopback_fleet import LoopbackFleet
from tests.support.playbook import AS_MODULE, IN_WORKER
from tools.bench.commands import Took, run
from tools.bench.table import seconds, table
from tools.demo.playbook import recap

PLAYBOOKS = Path(__file__).with_name("playbooks")
ADAPTERS = 20


@dataclass(frozen=True)
class Case:
    label: str
    playbook: str
    options: tuple[str, ...] = ()
    host: dict[str, str] | None = None  # how its tasks are run

    def run(self, directory: Path) -> Took:
        inventory = "as_module.json" if self.host is AS_MODULE else "in_worker.json"
        return run(directory, "ansible-playbook", "-i", inventory, *self.options, str(PLAYBOOKS / self.playbook))


CASES = {
    "debug": Case("ansible.builtin.debug", "debug.yml"),
    "one_adapter": Case("one adapter, no-op", "one_adapter.yml"),
    "node": Case(f"{ADAPTERS} adapters, check mode", "node.yml", ("--check",)),
    "one_adapter_module": Case("one adapter, no-op, as a module", "one_adapter.yml", host=AS_MODULE),
    "node_module": Case(f"{ADAPTERS} adapters, check mode, as a module", "node.yml", ("--check",), AS_MODULE),
    "uri": Case("one adapter, no-op, with ansible.builtin.uri", "uri.yml"),
}


def bench(sites: int, rounds: int) -> dict[str, Any]:
    """Run all cases in turn, `rounds` times. Raises RuntimeError when one does not do what it is there for."""
    with tempfile.TemporaryDirectory() as name, LoopbackFleet(sites, ADAPTERS) as fleet:
        directory = Path(name)
        _write_inventories(directory, fleet)
        figures: dict[str, Any] = {"sites": sites, "forks": 5, "rounds": rounds, "playbooks": {}}
        for _round in range(rounds):
            for key, case in CASES.items():
                took = case.run(directory)
                _require_no_op(case, took, sites)
                figures_of_case = figures["playbooks"].setdefault(key, {"label": case.label, "seconds": [], "cpu": []})
                figures_of_case["seconds"].append(took.seconds)
                figures_of_case["cpu"].append(took.cpu)
                figures_of_case["requests"] = dict(fleet.take_counts())
        return figures


def _write_inventories(directory: Path, fleet: LoopbackFleet) -> None:
    adapters = [{"name": name, "path": path} for name, path in fleet.adapters.items()]
    hosts = {f"site{number:04}": {"vllm_base_url": url} for number, url in enumerate(fleet.urls, start=1)}
    for name, how in (("in_worker", IN_WORKER), ("as_module", AS_MODULE)):
        inventory = {"all": {"hosts": hosts, "vars": {**how, "lora_adapters": adapters}}}
        (directory / f"{name}.json").write_text(json.dumps(inventory))


def _require_no_op(case: Case, took: Took, sites: int) -> None:
    seen = recap(took.output)
    if seen["ok"] < sites or seen["changed"] or seen["failed"] or seen["unreachable"]:
        raise RuntimeError(f"{case.label}: the recap of {sites} sites says {seen}.")


def ratio(figures: dict[str, Any], key: str, unit: str = "seconds", to: str = "debug") -> float:
    """Of one case to another: the median over the rounds."""
    cases = figures["playbooks"]
    return statistics.median(a / b for a, b in zip(cases[key][unit], cases[to][unit], strict=True))


def show(figures: dict[str, Any]) -> str:
    rows = []
    for key, case in figures["playbooks"].items():
        requests = sum(case["requests"].values()) / figures["sites"]
        times = [seconds(statistics.median(case[unit])) for unit in ("seconds", "cpu")]
        ratios = [f"{ratio(figures, key, unit):.2f}" for unit in ("seconds", "cpu")]
        rows.append([case["label"], f"{requests:.0f}", times[0], ratios[0], times[1], ratios[1]])
    title = f"One task on {figures['sites']} sites, {figures['forks']} forks (medians of {figures['rounds']} interleaved runs)"
    times_faster = ratio(figures, "uri", to="one_adapter")
    return "\n".join(
        [
            title,
            table(["", "requests per site", "time", "to debug", "CPU", "to debug"], rows),
            f"A playbook with ansible.builtin.uri takes {times_faster:.1f} times as long as vllm_lora_adapter.",
        ]
    )
