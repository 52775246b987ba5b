# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A name goes after its requests have ended, or after the time for them, on a real server."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.asking import eventually
from tests.support.recorder import Seen
from tests.support.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

# 30 is what the documentation speaks of; longer requests find no other faults.
SECONDS = float(os.environ.get("DRAIN_SECONDS", "6"))
TOKENS = 200
# A request can be over before the unload, which proves nothing: the machine was busier when its length was measured.
TIMES = (1, 2, 4, 8, 16)
UNLOAD = """
- name: unload
  sovereign.vllm.vllm_lora_adapter: {name: sql, state: absent, drain_timeout: "{{ seconds }}"}
"""


def prompts_for(site: Site, seconds: float) -> list[str]:
    """So many prompts that the server works for this time, most of which wait meanwhile."""
    started = time.monotonic()
    site.server.complete("sql", TOKENS, ["Audit"] * 8)
    return ["Audit"] * (8 * int(1 + seconds / (time.monotonic() - started)))


class InFlight:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.at_unload: list[bool] = []  # whether it ran when the request to unload arrived


@contextmanager
def in_flight(site: Site, prompts: list[str], patience: float) -> Iterator[InFlight]:
    """One request of many prompts, and what became of it.

    patience: seconds for the answer to arrive. The metrics forget a request before.
    """
    seen = InFlight()
    request = threading.Thread(target=lambda: seen.said.append(site.server.complete("sql", TOKENS, prompts)))

    def note(asked: Seen) -> None:
        if asked.path == "/v1/unload_lora_adapter":
            seen.at_unload.append(not eventually(lambda: not request.is_alive(), patience))

    if "sql" not in site.server.served():
        site.server.load("sql", f"{site.artifacts}/sql")
    site.watched.on_request = None
    request.start()
    time.sleep(0.5)  # it runs by now
    site.watched.on_request = note
    yield seen
    request.join()


def test_requests_end_before_the_name_goes(site: Site) -> None:
    site.server.load("sql", site.artifact("sql"))
    said, prompts = site.server.complete("sql", TOKENS), prompts_for(site, SECONDS)
    for times in TIMES:
        with in_flight(site, prompts * times, 10) as seen:
            result = site.run(UNLOAD, variables={"seconds": 20 * SECONDS})["unload"]
        assert (seen.at_unload, seen.said, result.warnings) == ([False], [said], [])
        assert site.server.served() == {}
        if site.asked.count("GET /metrics") > 1:
            break
    assert site.asked.count("GET /metrics") > 1

    # The time is over before the request is: the name goes, and the request is answered all the same.
    for times in TIMES:
        with in_flight(site, prompts * times, 0.1) as seen:
            result = site.run(UNLOAD, variables={"seconds": 0.5})["unload"]
        assert (seen.said, site.server.served()) == ([said], {})
        if seen.at_unload == [True]:
            break
    assert seen.at_unload == [True]
    assert "since drain_timeout was over" in result.warnings[0]
