# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand endpoints, a hundred of them dead: one time-out, little memory, nobody left out."""

from __future__ import annotations

import json
import resource
from pathlib import Path

from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.endpoint import Endpoint
from ansible_collections.sovereign.vllm.plugins.plugin_utils._inventory.discovery import ask_all

from tests.support.loopback_fleet import LoopbackFleet
from tools.bench.commands import Took, run

COUNT, SILENT, CLOSED = 1000, 50, 50
TIMEOUT = 8  # seconds; a machine that is busy with other tests may need some for an answer
ONE_AFTER_THE_OTHER = SILENT * TIMEOUT


def look(directory: Path, urls: list[str]) -> tuple[Took, dict]:
    endpoints = [{"name": f"site{number:04}", "base_url": url} for number, url in enumerate(urls)]
    options = {"plugin": "sovereign.vllm.vllm", "endpoints": endpoints, "timeout": TIMEOUT}
    (directory / "fleet.vllm.yml").write_text(json.dumps(options))
    took = run(directory, "ansible-inventory", "-i", "fleet.vllm.yml", "--list", "--output", "seen.json")
    return took, json.loads((directory / "seen.json").read_text())


def test_dead_sites_cost_one_timeout(tmp_path: Path) -> None:
    with LoopbackFleet(COUNT, adapters=20, silent=SILENT, closed=CLOSED) as sites:
        took, seen = look(tmp_path, sites.urls)
        alive, _seen = look(tmp_path, sites.urls[: COUNT - SILENT - CLOSED])
    assert seen["vllm"]["hosts"] == [f"site{number:04}" for number in range(COUNT)]
    assert len(seen["vllm_reachable"]["hosts"]) == COUNT - SILENT - CLOSED
    assert len(seen["vllm_unreachable"]["hosts"]) == SILENT + CLOSED
    # Two at most, for a machine that does other things as well.
    assert took.seconds - alive.seconds < 2 * TIMEOUT < ONE_AFTER_THE_OTHER
    assert took.peak < 200e6


def test_more_dead_sites_than_workers_wait_in_turn() -> None:
    with LoopbackFleet(7, adapters=1, silent=3) as sites:
        endpoints = {url: Endpoint(url, timeout=2, retries=0) for url in sites.urls}
        found = ask_all(endpoints, workers=1)
    assert [getattr(found[url], "code", "answered") for url in sites.urls] == ["answered"] * 4 + ["timeout"] * 3


def test_few_open_files_are_enough(tmp_path: Path) -> None:
    """A site is not dead because this process may not open another file."""
    with LoopbackFleet(150, adapters=1) as sites:
        options = {"plugin": "sovereign.vllm.vllm", "endpoints": sites.urls, "timeout": TIMEOUT}
        (tmp_path / "fleet.vllm.yml").write_text(json.dumps(options))
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, before[1]))
        try:
            run(tmp_path, "ansible-inventory", "-i", "fleet.vllm.yml", "--list", "--output", "seen.json")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert len(seen["vllm_reachable"]["hosts"]) == 150
