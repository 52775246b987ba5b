# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: python -m tools.bench --help"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.real_vllm import RealServer
from tests.stand_in import StandIn, write_examples
from tests.support.server import Server
from tools.bench import audit, bundle, discovery, fleet, swap
from tools.bench.chart import bar_chart
from tools.bench.machine import machine
from tools.bench.machine import show as show_machine


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tools.bench", description="Measure the performance of the collection.")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part (repeatable)")
    parser.add_argument("--quick", action="store_true", help="few rounds, to check that the benchmark works")
    parser.add_argument(
        "--output", type=Path, default=Path(".build/bench"), help="directory of the JSON files and the chart"
    )
    return parser.parse_args()


def bench_swap(quick: bool, output: Path) -> dict[str, Any]:
    with _server(quick) as (server, adapters):
        figures = swap.SwapBench(server, adapters, rounds=2 if quick else 12).run()
    print(swap.show(figures), flush=True)
    return figures


@contextmanager
def _server(quick: bool) -> Iterator[tuple[Server, Path]]:
    """A stand-in, the server at VLLM_EXTERNAL_URL, or a CPU build; and the artifacts that it can load."""
    if quick:
        with tempfile.TemporaryDirectory() as directory, StandIn(completion_delay=0.5) as stand_in:
            yield Server(stand_in.url), write_examples(directory)
    elif os.environ.get("VLLM_EXTERNAL_URL"):
        external = Server(os.environ["VLLM_EXTERNAL_URL"], os.environ.get("VLLM_API_KEY"))
        yield external, Path(os.environ["VLLM_EXTERNAL_ADAPTERS"])
    else:
        with RealServer(max_loras=4) as real:  # so that none of the adapters that are timed side by side is evicted
            yield Server(real.url), real.adapters


def bench_fleet(quick: bool, output: Path) -> dict[str, Any]:
    figures = fleet.bench(sites=4, rounds=1) if quick else fleet.bench(sites=200, rounds=3)
    print(fleet.show(figures), flush=True)
    cases = figures["playbooks"]
    bars = [(case["label"], fleet.ratio(figures, key), key in ("one_adapter", "node")) for key, case in cases.items()]
    title = f"Time of a playbook on {figures['sites']} sites, as a multiple of a task that does nothing"
    (output / "fleet.svg").write_text(bar_chart(title, bars, "x"), encoding="utf-8")
    return figures


def bench_discovery(quick: bool, output: Path) -> dict[str, Any]:
    if quick:
        figures = discovery.bench(sites=20, silent=1, closed=1, timeout=1, rounds=1)
        figures["cost"] = discovery.bench_cost(endpoints=50, rounds=1)
    else:
        figures = discovery.bench(sites=1000, silent=50, closed=50, timeout=5, rounds=3)
        figures["cost"] = discovery.bench_cost(endpoints=10_000, rounds=3)
    print(discovery.show(figures), flush=True)
    return figures


def bench_audit(quick: bool, output: Path) -> dict[str, Any]:
    figures = audit.bench(sites=4, rounds=1) if quick else audit.bench(sites=1000, rounds=3)
    print(audit.show(figures), flush=True)
    return figures


def bench_bundle(quick: bool, output: Path) -> dict[str, Any]:
    if quick:
        figures = bundle.bench(adapters=1, size=1_000_000, rounds=1, tiny=False)
    else:
        figures = bundle.bench(adapters=20, size=200_000_000, rounds=3)
    print(bundle.show(figures), flush=True)
    return figures


PARTS = {
    "swap": bench_swap,
    "fleet": bench_fleet,
    "audit": bench_audit,
    "bundle": bench_bundle,
    "discovery": bench_discovery,
}


def main() -> None:
    arguments = _arguments()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in arguments.part or PARTS:
        here = machine()
        print(f"=== {name}: {show_machine(here)}\n", flush=True)
        figures = {"machine": here, **PARTS[name](arguments.quick, arguments.output)}
        (arguments.output / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        print()
    print(f"The figures are in {arguments.output}.")


if __name__ == "__main__":
    main()
