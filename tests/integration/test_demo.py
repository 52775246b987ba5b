# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo is checked by itself; here it is held to noticing when a beat is not as told, and to leaving no trace."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.stand_in import Fault, StandIn, write_adapter
from tools.pictures.steps import chosen_steps

PROJECT = Path(__file__).resolve().parents[2]


def tell(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.demo", *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False)


def test_the_story_is_told_and_fits_on_a_screen() -> None:
    told = tell()
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.count("[ok]") == 8
    assert "UNREACHABLE!" in told.stdout
    assert "\033" not in told.stdout
    assert max(map(len, told.stdout.splitlines())) <= 100
    # In the picture of the README.
    chosen = chosen_steps(told.stdout)
    assert re.findall(r"^=== \d+\. (.*?) =", chosen, re.MULTILINE) == [
        "Another client unloads an adapter",
        "The audit finds it",
        "Heal",
    ]
    assert all(words in chosen for words in ("+  - name: sql", "sql is not served", "PLAY RECAP"))
    assert chosen.count("[ok]") == 3
    assert len(chosen.splitlines()) < 60


def test_a_users_server_is_left_as_it_was_found(tmp_path: Path) -> None:
    with StandIn() as server:
        server.load("theirs", write_adapter(tmp_path / "theirs"))
        told = tell("--url", server.url)
        assert told.returncode == 0, told.stdout + told.stderr
        assert [adapter.name for adapter in server.apps[0].registry.adapters] == ["theirs"]
        named = [request.body["lora_name"] for request in server.writes if "lora" in request.path]
        assert set(named) == {"sovereign-demo-1"}


def test_it_fails_loudly_when_a_beat_is_not_as_told_and_cleans_up(tmp_path: Path) -> None:
    with StandIn() as server:
        server.faults.add(Fault("POST", "/v1/unload_lora_adapter", "ignored", times=1))
        told = tell("--url", server.url, "--adapters", str(write_adapter(tmp_path / "adapter")))
        assert told.returncode == 1
        assert "DEMO FAILED" in told.stderr
        assert server.apps[0].registry.adapters == []


def test_a_users_server_that_goes_away_is_told_in_one_sentence(tmp_path: Path) -> None:
    with StandIn() as server:
        server.faults.add(Fault("POST", "/v1/load_lora_adapter", "die"))
        told = tell("--url", server.url, "--adapters", str(write_adapter(tmp_path / "adapter")))
    assert told.returncode == 1
    assert "Traceback" not in told.stderr
    assert f"{server.url} may still serve sovereign-demo-1" in told.stderr


def test_it_says_what_it_needs_of_a_users_server() -> None:
    with StandIn() as server:
        told = tell("--url", server.url)
    assert told.returncode == 1
    assert "VLLM_ADAPTERS" in told.stderr
    assert "Traceback" not in told.stderr
