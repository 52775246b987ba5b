# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a random run by real playbooks: many worlds, and one step of each in every run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from tests.support.playbook import IN_WORKER, run_playbook

from .chance import Step, choose
from .judgement import violations
from .random_run import Figures, Violation, as_present, clean, require, require_idempotent, told
from .world import PATIENCE, Result, World

# Seconds: there are as many clients as worlds.
LIMITS = {"timeout": 3, "load_timeout": 3, "retries": 1, "retry_delay": 0.01}
MODULES = {"set": "vllm_lora_adapters", "one": "vllm_lora_adapter", "info": "vllm_base_model_info"}
TASKS = "".join(
    f"""
- name: {operation}
  sovereign.vllm.{module}:
  args: "{{{{ options }}}}"
  check_mode: "{{{{ check }}}}"
  when: operation == "{operation}"
"""
    for operation, module in MODULES.items()
)

Runs = Mapping[str, tuple[str, Mapping[str, Any], bool]]


def play_by_playbook(worlds: int, rounds: int, seed: int, artifacts: Path, directory: Path) -> Figures:
    """Play so many steps in each of so many worlds. Raises Violation."""
    figures = Figures()
    with ExitStack() as servers:
        playing = {
            f"world{number}": servers.enter_context(closing(World(seed, number, artifacts))) for number in range(worlds)
        }
        for number in range(rounds):
            steps = {host: choose(world.chance) for host, world in playing.items()}
            _play_round(playing, steps, figures, directory / str(number))
    return figures


def _play_round(worlds: Mapping[str, World], steps: Mapping[str, Step], figures: Figures, directory: Path) -> None:
    runs = {
        host: (step.operation, worlds[host].options(step, LIMITS if step.faults else PATIENCE), step.check_mode)
        for host, step in steps.items()
    }
    accounts = {host: worlds[host].disturb(step) for host, step in steps.items()}
    results = _results(runs, directory / "first")
    for host, account in accounts.items():
        figures.count(worlds[host].settle(account), results[host])
        try:
            require(violations(account, results[host]))
        except Violation as broken:
            raise Violation(f"{broken}\n{steps[host]}\n{told(account, results[host])}") from None
    finished = {host for host, account in accounts.items() if clean(account, results[host])}
    for host in finished:
        worlds[host].stand_in.clear_log()
    again = {
        host: (steps[host].operation, as_present(worlds[host].options(steps[host], PATIENCE)), False)
        for host in finished
    }
    for host, result in _results(again, directory / "again").items():
        require_idempotent(worlds[host], result)


def _results(runs: Runs, directory: Path) -> dict[str, Result]:
    """Run these by one playbook, and return the results as operations return them."""
    hosts = {
        host: {**IN_WORKER, "operation": operation, "options": options, "check": check}
        for host, (operation, options, check) in runs.items()
    }
    run = run_playbook(TASKS, hosts, directory, rc=None, options=["--forks", "16"]) if runs else None
    results = {one.host: one for one in run.results if one.status != "skipped"} if run else {}
    assert set(results) == set(runs), run.output if run else ""
    return {host: {"changed": False, **one.values, one.status: True} for host, one in results.items()}
