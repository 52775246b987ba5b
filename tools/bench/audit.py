# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of the playbook drift_audit: live, compared with one module task; from the inventory, compared with reading it."""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from tests.support.loopback_fleet import LoopbackFleet
from tools.bench.commands import Took, run
from tools.bench.fleet import ADAPTERS, PLAYBOOKS
from tools.bench.table import seconds, table

LABELS = {
    "task": "one module task in check mode",
    "live": "drift_audit",
    "reading": "ansible-playbook: read the inventory, and run one task on localhost",
    "inventory": "drift_audit from the inventory",
}
# Asked by the controller, whatever their connection.
_HOSTS = ("-i", "hosts.json")
_ENDPOINTS = ("-i", "fleet.vllm.yml")
_RUNS = {
    "task": (*_HOSTS, "--check", str(PLAYBOOKS / "node.yml")),
    "live": (*_HOSTS, "sovereign.vllm.drift_audit"),
    "reading": (*_ENDPOINTS, str(PLAYBOOKS / "localhost.yml")),
    "inventory": (*_ENDPOINTS, "-e", "drift_audit_source=inventory", "sovereign.vllm.drift_audit"),
}


def bench(sites: int, rounds: int) -> dict[str, Any]:
    """Run all playbooks in turn, `rounds` times. Raises RuntimeError when an audit does not find all sites in sync."""
    figures: dict[str, Any] = {"sites": sites, "rounds": rounds}
    figures["ways"] = {way: {"seconds": [], "cpu": [], "peak": []} for way in LABELS}
    with tempfile.TemporaryDirectory() as name, LoopbackFleet(sites, ADAPTERS) as fleet:
        directory = Path(name)
        _write_files(directory, fleet)
        for _round in range(rounds):
            for way, options in _RUNS.items():
                took = run(directory, "ansible-playbook", *options)
                figures["ways"][way]["requests"] = dict(fleet.take_counts())
                _require_sync(directory, way, took, sites)
                for unit, value in (("seconds", took.seconds), ("cpu", took.cpu), ("peak", took.peak)):
                    figures["ways"][way][unit].append(value)
    return figures


def _write_files(directory: Path, fleet: LoopbackFleet) -> None:
    urls = {f"site{number:04}": url for number, url in enumerate(fleet.urls, start=1)}
    adapters = [{"name": name, "path": path} for name, path in fleet.adapters.items()]
    hosts = {name: {"vllm_base_url": url, "ansible_host": "127.0.0.1"} for name, url in urls.items()}
    everywhere = {"lora_adapters": adapters, "vllm_ask_from": "controller"}
    (directory / "hosts.json").write_text(json.dumps({"vllm": {"hosts": hosts, "vars": everywhere}}))
    endpoints = [{"name": name, "base_url": url} for name, url in urls.items()]
    (directory / "fleet.vllm.yml").write_text(json.dumps({"plugin": "sovereign.vllm.vllm", "endpoints": endpoints}))
    (directory / "group_vars").mkdir()
    (directory / "group_vars" / "vllm.json").write_text(json.dumps({"lora_adapters": adapters}))


def _require_sync(directory: Path, way: str, took: Took, sites: int) -> None:
    if way in ("live", "inventory"):
        report = directory / "drift_report" / "drift.json"
        summary = json.loads(report.read_text())["summary"]
        report.unlink()
        if summary["in_sync"] != sites:
            raise RuntimeError(f"{LABELS[way]}: the report of {sites} sites says {summary}:\n{took.output[-2000:]}")


def show(figures: dict[str, Any]) -> str:
    rows = []
    for way, to in (("task", "task"), ("live", "task"), ("reading", "reading"), ("inventory", "reading")):
        own, other = figures["ways"][way], figures["ways"][to]
        ratios = [
            f"{statistics.median(a / b for a, b in zip(own[unit], other[unit], strict=True)):.2f}"
            for unit in ("seconds", "cpu")
        ]
        medians = {unit: statistics.median(own[unit]) for unit in ("seconds", "cpu", "peak")}
        times = [seconds(medians["seconds"]), ratios[0], seconds(medians["cpu"]), ratios[1]]
        rows.append([LABELS[way], *times, f"{medians['peak'] / 1e6:.0f} MB"])
    pairs = zip(figures["ways"]["inventory"]["seconds"], figures["ways"]["reading"]["seconds"], strict=True)
    above = seconds(statistics.median(audited - read for audited, read in pairs))
    title = f"{figures['sites']} sites with {ADAPTERS} adapters each (medians of {figures['rounds']} interleaved runs)"
    head = ["", "time", "to the line it is compared with", "CPU", "to the same", "peak memory"]
    note = (
        "drift_audit is compared with the task, and drift_audit from the inventory with reading the inventory. It took "
        f"{above} more."
    )
    return "\n".join([title, table(head, rows), note])
