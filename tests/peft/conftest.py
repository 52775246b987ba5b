# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The adapters are made once, while the server starts, and each is measured once; the tests then compare."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact import inspect_artifact

from tests.peft.catalogue import KINDS
from tests.peft.environment import DEFAULT_PEFT, make
from tests.peft.kinds import MAX_RANK, PROMPT, Kind
from tests.peft.measuring import Measurement, log_probabilities, measure
from tests.real_vllm import RealServer
from tests.real_vllm.layout import DEFAULT_VERSION, model_directory

RESULTS = pytest.StashKey["list[Result]"]()


@dataclass(frozen=True)
class Result:
    """problems: ours; error: why PEFT could not make it, and then there is nothing else."""

    kind: Kind
    measured: Measurement | None
    problems: list[str]
    error: str | None = None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--vllm", metavar="RELEASE", default=DEFAULT_VERSION, help="release of vLLM's CPU build")
    parser.addoption("--peft", metavar="RELEASE", default=DEFAULT_PEFT, help="release of PEFT")


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("adapters")


@dataclass(frozen=True)
class Sides:
    """server: a real vLLM; truths: what PEFT says, by name; base: what the server says of its base model."""

    server: RealServer
    truths: dict
    base: list[float]


@pytest.fixture(scope="session")
def sides(request: pytest.FixtureRequest, directory: Path) -> Iterator[Sides]:
    vllm, peft = request.config.getoption("vllm"), request.config.getoption("peft")
    with ThreadPoolExecutor(1) as maker:
        truths = maker.submit(make, vllm, peft, directory)
        with RealServer(version=vllm) as server:
            yield Sides(server, truths.result(), log_probabilities(server.url, "tiny", PROMPT))


def problems(kind: Kind, path: Path, model: Path) -> list[str]:
    """What we have against it, asked with all that the user of this server knows."""
    pickled = not (path / "adapter_model.safetensors").exists()
    return inspect_artifact(str(path), max_rank=MAX_RANK, base_model=str(model), allow_pickle=pickled)["problems"]


@pytest.fixture(scope="session")
def results(request: pytest.FixtureRequest, sides: Sides, directory: Path) -> dict[str, Result]:
    """By name of the kind."""
    model = model_directory(request.config.getoption("vllm"))
    every = request.config.stash[RESULTS] = []
    for kind in KINDS:
        path, truth = directory / kind.slug, sides.truths[kind.name]
        if "error" in truth:
            every.append(Result(kind, None, [], truth["error"]))
            continue
        measured = measure(sides.server, kind, path, truth["log_probabilities"], sides.base)
        every.append(Result(kind, measured, problems(kind, path, model)))
    return {result.kind.name: result for result in every}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    releases = f"vLLM {config.getoption('vllm')} and PEFT {config.getoption('peft')}"
    terminalreporter.section(f"Adapters of {releases}")
    for result in config.stash.get(RESULTS, []):
        if result.measured is None:
            terminalreporter.write_line(f"{result.kind.name:34} not made")
            continue
        verdict = "invalid" if result.problems else "valid"
        terminalreporter.write_line(
            f"{result.kind.name:34} {result.measured.outcome.value:18} {verdict:8} {result.measured.detail[:110]}"
        )
        for problem in result.problems[:1]:
            terminalreporter.write_line(f"{'':62}{problem[:150]}")
