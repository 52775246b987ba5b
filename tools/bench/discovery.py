# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of discovery in a fleet with dead sites: the inventory plugin, plain threads, and the filter."""

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
    "inventory": "ansible-inventory --list, sovereign.vllm.vllm",
    "static": "ansible-inventory --list, the same hosts and variables from a file",
    "threads": "a script with a pool of threads and requests",
    "filter": "ansible-playbook: discover and compare all in one task on localhost",
}


def bench(sites: int, silent: int, closed: int, timeout: int, rounds: int) -> dict[str, Any]:
    """Look at the fleet in each way in turn, `rounds` times. Raises RuntimeError when one does not see all of it.

    timeout: seconds.
    """
    figures: dict[str, Any] = {"sites": sites, "silent": silent, "closed": closed, "timeout": timeout, "rounds": rounds}
    figures["ways"] = {way: {"seconds": [], "cpu": [], "peak": []} for way in LABELS}
    with tempfile.TemporaryDirectory() as name, LoopbackFleet(sites, ADAPTERS, silent, closed) as fleet:
        directory = Path(name)
        _write_files(directory, fleet, silent + closed, timeout)
        for _round in range(rounds):
            # The inventory comes first: what it prints is what the static one reads.
            for way, look in (
                ("inventory", _look_by_inventory),
                ("static", _look_at_a_file),
                ("threads", _look_by_threads),
                ("filter", _compare_by_filter),
            ):
                took = look(directory, sites, silent + closed)
                for unit, value in (("seconds", took.seconds), ("cpu", took.cpu), ("peak", took.peak)):
                    figures["ways"][way][unit].append(value)
    return figures


def _write_files(directory: Path, fleet: LoopbackFleet, dead: int, timeout: int) -> None:
    names = [{"name": f"site{number:04}", "base_url": url} for number, url in enumerate(fleet.urls, start=1)]
    plugin = {"plugin": "sovereign.vllm.vllm", "endpoints": names, "timeout": timeout, "retries": 0}
    (directory / "fleet.vllm.yml").write_text(json.dumps(plugin))
    (directory / "script.json").write_text(json.dumps({"urls": fleet.urls, "timeout": timeout}))
    adapters = [{"name": name, "path": path} for name, path in fleet.adapters.items()]
    expected = {"lora_adapters": adapters, "sites": len(fleet.urls), "dead_sites": dead}
    (directory / "expected.json").write_text(json.dumps(expected))


def _look_by_inventory(directory: Path, sites: int, dead: int) -> Took:
    took = run(directory, "ansible-inventory", "-i", "fleet.vllm.yml", "--list", "--output", "seen.json")
    seen = json.loads((directory / "seen.json").read_text())
    found = len(seen["vllm"]["hosts"]), len(seen["vllm_unreachable"]["hosts"])
    if found != (sites, dead):
        raise RuntimeError(
            f"The inventory has {found[0]} hosts, {found[1]} of them unreachable:\n{took.output[-2000:]}"
        )
    variables = seen["_meta"]["hostvars"]
    (directory / "static.json").write_text(json.dumps({"all": {"hosts": variables}}))
    return took


def _look_at_a_file(directory: Path, sites: int, dead: int) -> Took:
    return run(directory, "ansible-inventory", "-i", "static.json", "--list", "--output", "again.json")


def _look_by_threads(directory: Path, sites: int, dead: int) -> Took:
    script = str(Path(__file__).with_name("plain_threads.py"))
    took = run(directory, "python", script, "script.json")
    if took.output.split() != [str(sites - dead)]:
        raise RuntimeError(f"{sites - dead} sites were to answer the script; it says {took.output}")
    return took


def _compare_by_filter(directory: Path, sites: int, dead: int) -> Took:
    playbook = str(PLAYBOOKS / "fleet_drift.yml")
    return run(directory, "ansible-playbook", "-i", "fleet.vllm.yml", "-e", "@expected.json", playbook)


def show(figures: dict[str, Any]) -> str:
    rows = []
    for way, label in LABELS.items():
        medians = {unit: statistics.median(values) for unit, values in figures["ways"][way].items()}
        rows.append([label, seconds(medians["seconds"]), seconds(medians["cpu"]), f"{medians['peak'] / 1e6:.0f} MB"])
    dead = f"{figures['silent']} do not answer and {figures['closed']} refuse"
    title = f"{figures['sites']} sites of which {dead}, timeout {figures['timeout']} s (medians of {figures['rounds']} runs)"
    pairs = zip(figures["ways"]["inventory"]["seconds"], figures["ways"]["static"]["seconds"], strict=True)
    beyond = seconds(statistics.median(asked - read for asked, read in pairs))
    note = f"Asking all of them took {beyond} more than reading the same hosts from a file; a timeout is {figures['timeout']} s."
    return "\n".join([title, table(["", "time", "CPU", "peak memory"], rows), note])
