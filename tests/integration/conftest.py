# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks on stand-ins of vLLM."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.stand_in import PROFILES, StandIn
from tests.support.playbook import IN_WORKER
from tests.support.server import Server
from tests.support.site import Site

from .audited_fleet import Fleet

pytest.register_assert_rewrite("tests.integration.lifecycle")

NewSite = Callable[..., Site]
# Without those that cannot load: what they refuse is in test_rust_front_end.py.
SUPPORTED = [name for name, profile in PROFILES.items() if not name.startswith("0.6") and not profile.cannot_load]


@pytest.fixture
def new_site(tmp_path: Path, examples: Path) -> Iterator[NewSite]:
    """Call it with the settings of a StandIn, and get a site that is served by it. `site.watched` is the stand-in."""
    with ExitStack() as stand_ins:
        count = 0

        def new(host: dict[str, Any] | None = None, **settings: Any) -> Site:
            nonlocal count
            count += 1
            stand_in = stand_ins.enter_context(StandIn(**settings))
            server = Server(stand_in.url, settings.get("api_key"))
            directory = tmp_path / f"site{count}"
            return Site(server, stand_in, examples, directory / "artifacts", directory / "runs", host or IN_WORKER)

        yield new


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """Exists when `jinja` was evaluated."""
    return tmp_path / "ran"


@pytest.fixture
def jinja(ran: Path) -> str:
    """What a server may call itself, to have it evaluated here."""
    return "{{ lookup('ansible.builtin.pipe', 'touch " + str(ran) + "') }}"


@pytest.fixture
def fleet(tmp_path: Path, examples: Path) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path, examples)
    with fleet.in_sync, fleet.drifted:
        yield fleet
