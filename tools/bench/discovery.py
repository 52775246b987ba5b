# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of discovery in a fleet with dead sites: the inventory plugin, plain threads, and the filter.

And the CPU that each endpoint takes in a large fleet, compared with a plain script in the same run."""

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
#: Both send two requests to each endpoint, and both print names or a count only.
READERS = {
    "plugin": "discovery, CPU per endpoint: sovereign.vllm.vllm",
    "script": "a script with one event loop and aiohttp",
}
ADAPTERS_READ = 2


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


def bench_cost(endpoints: int, rounds: int) -> dict[str, Any]:
    """Read a fleet that answers with the plugin and with a script, in turn, `rounds` times.

    CPU of an endpoint: in seconds, without the CPU that the same command takes for one endpoint.
    """
    figures: dict[str, Any] = {"endpoints": endpoints, "rounds": rounds}
    figures["readers"] = {reader: {"cpu": [], "peak": []} for reader in READERS}
    with tempfile.TemporaryDirectory() as name, LoopbackFleet(endpoints, ADAPTERS_READ) as fleet:
        directory = Path(name)
        for kind, urls in (("all", fleet.urls), ("one", fleet.urls[:1])):
            plugin = {"plugin": "sovereign.vllm.vllm", "endpoints": urls, "timeout": 60}
            (directory / f"{kind}.vllm.yml").write_text(json.dumps(plugin))
            (directory / f"{kind}.json").write_text(json.dumps({"urls": urls, "timeout": 60}))
        for _round in range(rounds):
            for reader, read in (("plugin", _read_by_plugin), ("script", _read_by_script)):
                whole, start = read(directory, "all", endpoints), read(directory, "one", 1)
                figures["readers"][reader]["cpu"].append((whole.cpu - start.cpu) / endpoints)
                figures["readers"][reader]["peak"].append(whole.peak)
    return figures


def _read_by_plugin(directory: Path, kind: str, count: int) -> Took:
    took = run(
        directory, "ansible-inventory", "-i", f"{kind}.vllm.yml", "--graph", "vllm_reachable", "--output", "graph"
    )
    found = (directory / "graph").read_text().count("|--")
    if found != count:
        raise RuntimeError(f"{count} sites were to answer the plugin; {found} did:\n{took.output[-2000:]}")
    return took


def _read_by_script(directory: Path, kind: str, count: int) -> Took:
    script = str(Path(__file__).with_name("plain_asyncio.py"))
    took = run(directory, "python", script, f"{kind}.json")
    if took.output.split() != [str(count)]:
        raise RuntimeError(f"{count} sites were to answer the script; it says {took.output}")
    return took


def show_cost(figures: dict[str, Any]) -> str:
    readers = figures["readers"]
    ratios = [ours / plain for ours, plain in zip(readers["plugin"]["cpu"], readers["script"]["cpu"], strict=True)]
    rows = []
    for reader, label in READERS.items():
        cpu, peak = (statistics.median(readers[reader][unit]) for unit in ("cpu", "peak"))
        ratio = statistics.median(ratios) if reader == "plugin" else 1
        rows.append([label, f"{cpu * 1000:.2f} ms", f"{ratio:.2f}", f"{peak / 1e6:.0f} MB"])
    title = f"{figures['endpoints']} endpoints that answer (medians of {figures['rounds']} runs)"
    return "\n".join([title, table(["", "CPU per endpoint", "to the script", "peak memory"], rows)])


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
    cost = ["", show_cost(figures["cost"])] if "cost" in figures else []
    return "\n".join([title, table(["", "time", "CPU", "peak memory"], rows), note, *cost])
