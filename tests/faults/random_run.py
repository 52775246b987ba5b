# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long random runs: make random-run STEPS=10000 SEED=1

An episode is a server of a random release and ten runs on it. Each episode depends on the seed and its own number alone,
so a violation is replayed by naming both.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.stand_in import write_adapter, write_examples
from tests.support.server import REHEARSAL_SUFFIX

from .chance import Step, choose
from .judgement import Account, violations
from .time_budget import seconds_at_most
from .world import LIMITS, PATIENCE, Result, World

STEPS_OF_AN_EPISODE = 10
JOBS = 4  # most of the time is spent waiting for what was made slow


class Violation(AssertionError):
    """A promise that was broken."""


@dataclass
class Figures:
    """What a run met. outcomes: number of steps by outcome or error code; violations: with all it takes to replay them."""

    steps: int = 0
    requests: int = 0
    faults: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        self.steps += other.steps
        self.requests += other.requests
        self.faults += other.faults
        self.outcomes += other.outcomes
        self.violations += other.violations

    def count(self, account: Account, result: Result) -> None:
        self.steps += 1
        self.requests += len(account.log)
        self.faults += sum(request.fault is not None for request in account.log)
        fine = "changed" if result["changed"] else "ok"
        self.outcomes["check mode" if account.step.check_mode else result.get("error", {}).get("code", fine)] += 1


def write_artifacts(directory: Path) -> Path:
    """Write the adapters that steps name, and return their directory."""
    write_examples(directory)
    write_adapter(directory / "third", seed=3)
    return directory.resolve()


def run_in_process(operation: str, options: Mapping[str, Any], check_mode: bool) -> Result:
    """Run an operation as the action plugins do. Anything that is raised is no declared error."""
    from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
    from ansible_collections.sovereign.vllm.plugins.module_utils._operations.vllm_base_model_info import BaseModelInfo
    from ansible_collections.sovereign.vllm.plugins.module_utils._operations.vllm_lora_adapter import LoraAdapter
    from ansible_collections.sovereign.vllm.plugins.module_utils._operations.vllm_lora_adapters import LoraAdapters

    work = {"set": LoraAdapters, "one": LoraAdapter, "info": BaseModelInfo}[operation]()
    validation = ModuleArgumentSpecValidator(work.argument_spec).validate(dict(options))
    if validation.error_messages:
        raise ValueError(validation.errors.msg)
    return work.result(validation.validated_parameters, check_mode)


def play_episode(seed: int, episode: int, artifacts: Path) -> Figures:
    """Play one episode, up to the first violation."""
    figures, history = Figures(), []
    world = World(seed, episode, artifacts)
    try:
        for number in range(STEPS_OF_AN_EPISODE):
            step = choose(world.chance)
            history.append(f"step {number}: {step}")
            try:
                figures.count(*_play(world, step, history))
            except Exception as broken:
                command = f"make random-run STEPS={STEPS_OF_AN_EPISODE} SEED={seed} EPISODE={episode}"
                told = "\n".join([f"vLLM {world.stand_in.profile.version}", *history])
                figures.violations.append(f"{type(broken).__name__}: {broken}\nreplay: {command}\n{told}")
                break
    finally:
        world.close()
    return figures


def _play(world: World, step: Step, history: list[str]) -> tuple[Account, Result]:
    from ansible_collections.sovereign.vllm.plugins.module_utils._http.transport import DeadlinePassed, call_within

    options = world.options(step, LIMITS if step.faults else PATIENCE)
    account = world.disturb(step)
    budget = seconds_at_most(options, len(account.before))
    try:
        result = call_within(budget, lambda: run_in_process(step.operation, options, step.check_mode))
    except DeadlinePassed:
        raise Violation(f"still running after {budget:.1f} seconds, its time budget") from None
    world.settle(account)
    history.append(told(account, result))
    require(violations(account, result))
    if clean(account, result):
        world.stand_in.clear_log()
        again = run_in_process(step.operation, as_present(world.options(step, PATIENCE)), False)
        require_idempotent(world, again)
    return account, result


def told(account: Account, result: Result) -> str:
    requests = [
        f"{one.method} {one.path} {(one.body or {}).get('lora_name', '')} {one.status} {one.fault or ''}".strip()
        for one in account.log
    ]
    outcome = {key: result[key] for key in ("changed", "failed", "unreachable", "msg", "warnings") if result.get(key)}
    return f"    served {account.before}\n    requests {requests}\n    served {account.after}\n    result {outcome}"


def require(broken: Iterable[str]) -> None:
    broken = list(broken)
    if broken:
        raise Violation("; ".join(broken))


def clean(account: Account, result: Result) -> bool:
    """Whether the run says that everything is as declared. A temporary name that stays is told of by a warning."""
    if account.step.check_mode or account.step.operation == "info" or result.get("failed") or result.get("unreachable"):
        return False
    if account.disturbed and account.step.options.get("prune"):
        return False  # what somebody loads meanwhile is the next run's
    left = [name for name in account.after if name.endswith(REHEARSAL_SUFFIX)]
    warned = any("could not be unloaded" in warning for warning in result.get("warnings", ()))
    return not (left and warned)


def require_idempotent(world: World, again: Result) -> None:
    """Judge a second run of the same, undisturbed: it reads what is served, and nothing else."""
    asked = world.asked()
    if again.get("failed") or again.get("unreachable") or again["changed"] or asked != world.server.reading:
        raise Violation(f"the second run sent {asked} and returned {again}")


def as_present(options: Mapping[str, Any]) -> dict[str, Any]:
    """With `reloaded`, which always changes, turned into `present`."""
    options = {**options, "prune_limit": None}
    if options.get("state") == "reloaded":
        options["state"] = "present"
    if "adapters" in options:
        options["adapters"] = [as_present(adapter) for adapter in options["adapters"]]
    return {name: value for name, value in options.items() if value is not None}


def play(steps: int, seed: int, artifacts: Path, first: int = 0) -> Figures:
    """Play so many steps in processes of their own."""
    figures = Figures()
    episodes = range(first, first + -(-steps // STEPS_OF_AN_EPISODE))
    with ProcessPoolExecutor(JOBS, multiprocessing.get_context("spawn"), _find_collection) as pool:
        waiting = [pool.submit(play_episode, seed, episode, artifacts) for episode in episodes]
        for done in as_completed(waiting):
            figures.add(done.result())
    return figures


def _find_collection() -> None:
    import tests.conftest  # noqa: F401  makes the collection importable


def main() -> None:
    steps, seed, *first = map(int, sys.argv[1:])
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        figures = play(steps, seed, write_artifacts(Path(directory)), *first)
    outcomes = ", ".join(f"{outcome} {count}" for outcome, count in figures.outcomes.most_common())
    print(f"{figures.steps} steps with seed {seed} in {time.monotonic() - began:.0f} s.")
    print(f"{figures.requests} requests, {figures.faults} of them hit by a fault. Outcomes: {outcomes}.")
    print(*figures.violations, f"Violations: {len(figures.violations)}.", sep="\n\n")
    sys.exit(bool(figures.violations))


if __name__ == "__main__":
    main()
