# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests end before a name goes, and before old versions go, or the time for them does."""

from __future__ import annotations

import threading
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

from tests.stand_in import Fault
from tests.support.asking import eventually
from tests.support.playbook import IN_WORKER
from tests.support.site import Site, run_on_all

from .conftest import NewSite
from .lifecycle.from_the_artifact import KEEP, converge, versions

DRAIN = "Wait for the requests that can use these versions"
MOVE = """
- name: move
  sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/new"}
  when: inventory_hostname == 'reload'
- name: unload
  sovereign.vllm.vllm_lora_adapters:
    adapters: [{name: sql, state: absent}]
    drain_timeout: "{{ seconds }}"
    retries: 0
"""


def ask(site: Site, model: str) -> threading.Thread:
    """Begin a request, and return once the server has it. It is cut off when the server is stopped."""

    def complete() -> None:
        with suppress(OSError, HTTPException):
            site.server.complete(model)

    before = len(site.watched.log)
    request = threading.Thread(target=complete, daemon=True)
    request.start()
    assert eventually(lambda: any("completions" in seen.path for seen in site.watched.log[before:]))
    return request


def test_before_a_name_goes(new_site: NewSite, tmp_path: Path) -> None:
    cases: dict[str, tuple[float, dict[str, Any]]] = {
        "ends": (60, {"completion_delay": 8}),
        "waits": (60, {"completion_delay": 4, "max_loras": 1}),
        "over": (0.6, {"completion_delay": 600}),
        "hidden": (60, {"completion_delay": 600}),
        "off": (0, {"completion_delay": 600}),
        "idle": (60, {}),
        "reload": (0.6, {"completion_delay": 600}),
        "negative": (-1, {}),
    }
    sites = {
        name: new_site(host={**IN_WORKER, "seconds": seconds}, **settings)
        for name, (seconds, settings) in cases.items()
    }
    requests: dict[str, list[threading.Thread]] = {}
    in_flight: dict[str, bool] = {}
    for name, site in sites.items():
        for adapter in ("sql", "other"):
            site.server.load(adapter, site.artifact(adapter))
        site.artifact("new", "second")
        if name == "hidden":
            site.watched.faults.add(Fault("GET", "/metrics", "answer", status=403))
        # vLLM names no adapter for a request that waits for the slot of another adapter.
        asked = {"waits": ["other", "sql"], "idle": [], "negative": []}.get(name, ["sql"])
        requests[name] = [ask(site, model) for model in asked]

        def note(request: Any, name: str = name) -> None:
            if request.path == "/v1/unload_lora_adapter":
                # An answer is on its way when the metrics have already forgotten its request.
                in_flight.setdefault(name, not eventually(lambda: not any(r.is_alive() for r in requests[name]), 0.5))

        site.watched.on_request = note
    run = run_on_all(sites, MOVE, tmp_path / "run", rc=2)
    done = run.of("unload")
    # A reload does not wait, since its name stays in use; the unload after it does.
    assert in_flight == {
        "ends": False,
        "waits": False,
        "over": True,
        "hidden": True,
        "off": True,
        "idle": False,
        "reload": True,
    }
    assert done["negative"].code == "invalid_request"
    assert "drain_timeout is -1" in done["negative"].msg
    told = {name: result.warnings for name, result in done.items() if name != "negative"}
    for name in ("over", "reload"):
        assert "since drain_timeout was over. Those that run are still answered" in told.pop(name)[-1]
    assert "the metrics of the server do not tell" in told.pop("hidden")[0]
    assert not any(told.values()), told
    metrics = {name: sum(r.path == "/metrics" for r in site.watched.log) for name, site in sites.items()}
    assert (metrics["off"], metrics["idle"], metrics["negative"]) == (0, 1, 0)
    for name, site in sites.items():
        assert ("sql" in site.server.served()) == (name == "negative")


def test_before_a_directory_goes(new_site: NewSite) -> None:
    """The role asks only if there is something to remove, and goes on when the time is over."""
    site = new_site()
    adapter, kept = {"name": "sql", "src": site.artifact("sql")}, {"lora_keep": 0, "lora_smoke": "none"}
    assert not converge(site, adapter, **kept).of(KEEP)["site"].changed
    (first,) = versions(site)
    site.artifact("sql", "second")
    assert "GET /metrics" not in site.asked
    converge(site, adapter, **kept)
    (second,) = set(versions(site)) - {first}
    site.watched.settings.completion_delay = 600
    ask(site, "sql")
    run = converge(site, adapter, **kept, lora_drain_timeout=0.5)
    assert run[DRAIN]["results"][0]["drained"] is False
    assert (
        "after the drain timeout of 0.5 seconds at site"
        in run["Explain that requests may still use the old versions"].msg
    )
    assert run[KEEP]["removed"] == [first]
    assert versions(site) == [second]
