# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The adapters are made once, while the server starts, and each is measured once; the tests then compare."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.real_vllm import RealServer
from tests.real_vllm.artifacts import ensure_model
from tests.real_vllm.install import install
from tests.real_vllm.peft.catalogue import KINDS
from tests.real_vllm.peft.environment import make
from tests.real_vllm.peft.kinds import TIED
from tests.real_vllm.peft.measuring import Result, measure_all
from tests.real_vllm.peft.table import lines

RESULTS = pytest.StashKey["list[Result]"]()


@pytest.fixture(scope="session")
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """What was measured, by the name of the kind."""
    vllm, peft = request.config.getoption("vllm"), request.config.getoption("peft")
    directory: Path = tmp_path_factory.mktemp("adapters")
    every = request.config.stash[RESULTS] = []
    install(vllm)
    model = ensure_model(vllm)
    with ThreadPoolExecutor(1) as maker:
        made = maker.submit(make, vllm, peft, directory)
        with RealServer(version=vllm) as server:
            kinds = [kind for kind in KINDS if kind.base != TIED]
            every += measure_all(server, kinds, model, directory, made.result())
    with RealServer(version=vllm, model=directory / TIED) as server:
        kinds = [kind for kind in KINDS if kind.base == TIED]
        every += measure_all(server, kinds, directory / TIED, directory, made.result())
    return {result.kind.name: result for result in every}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.section(f"PEFT {config.getoption('peft')} on vLLM {config.getoption('vllm')}")
    for line in lines(config.stash.get(RESULTS, [])):
        terminalreporter.write_line(line)
