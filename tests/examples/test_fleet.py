# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layout of examples/fleet, on 30 servers with a key each, of which three are offline."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.examples.thirty_sites import LAYOUT, OFFLINE, REGIONS, SITES, Fleet, commands, expected


@pytest.fixture
def fleet(tmp_path: Path, examples: Path) -> Iterator[Fleet]:
    with ExitStack() as opened:
        yield Fleet(tmp_path / "fleet", examples, opened)


DRIFTED = {"north01", "north02", "south01", "coast01"}
UNDECLARED = {"south02"}


@pytest.mark.timeout(600)  # several runs on 30 sites
def test_audit_rollout_and_audit_again(fleet: Fleet) -> None:
    assert sorted(fleet.keys) == sorted(SITES)
    assert len(set(fleet.keys.values())) == len(SITES)
    (graph,), (audit,) = commands("Look"), commands("Audit")
    first, approved, again, reachable = commands("Roll out")
    assert audit == first == again

    rc, shown = fleet.run(graph)
    assert rc == 0, shown
    assert all(f"@{region}:" in shown for region in REGIONS)

    rc, shown = fleet.run(audit)
    assert rc == 2, shown
    assert _of(fleet.report(), "drifted") == DRIFTED, shown
    # As the layout is, it tells nobody, and misses nothing for that.
    assert "rescued=1" not in shown
    assert _of(fleet.report(), "undeclared") == UNDECLARED
    assert _of(fleet.report(), "unreachable") == OFFLINE
    assert not fleet.written()

    # Somebody changes a site after the approval. Nothing is written there.
    fleet.servers["north02"].load("sql", fleet.declared["sql"])
    rc, shown = fleet.run(approved)
    assert rc & 2, shown
    assert "plan_changed" in shown
    assert fleet.written() == DRIFTED - {"north02"}, shown

    rc, shown = fleet.run(reachable)
    assert rc == 0, shown
    rc, shown = fleet.run(audit)
    assert rc == 0, shown
    assert _of(fleet.report(), "in_sync") == set(SITES) - OFFLINE - UNDECLARED
    assert _of(fleet.report(), "undeclared") == UNDECLARED
    assert _of(fleet.report(), "unreachable") == OFFLINE
    for site in set(SITES) - OFFLINE:
        served = fleet.served(site)
        assert {name: served[name] for name in expected(site)} == {n: fleet.declared[n] for n in expected(site)}
    assert fleet.written() == DRIFTED
    # Each server got only its own key: with any other it answers 401, and logs it.
    for site, server in fleet.servers.items():
        sent = {dict(request.headers).get("authorization", "") for request in server.log}
        assert sent <= {f"Bearer {fleet.keys[site]}"}, site


def _of(verdicts: dict[str, str], verdict: str) -> set[str]:
    return {site for site, found in verdicts.items() if found == verdict}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd")
def test_units(tmp_path: Path) -> None:
    for unit in (LAYOUT / "systemd").iterdir():
        text = unit.read_text().replace("/srv/ansible/bin/ansible-playbook", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    command = ["systemd-analyze", "verify", *map(str, tmp_path.glob("vllm-audit.*"))]
    verified = subprocess.run(command, capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stderr
