# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks on a real vLLM: the one at VLLM_EXTERNAL_URL, or else a CPU build that is started here.

A server that cannot be had is an error and never skipped. The one at VLLM_EXTERNAL_URL is given its key in VLLM_API_KEY,
and in VLLM_EXTERNAL_ADAPTERS a directory that it sees under the same path, with adapters that fit its model: `first`,
`second`, `zero` without effect, `misnamed` for a model with other names, `rank64` above its limit, and `oversized` for
a larger model. It must not serve any adapter, since this suite prunes. A rollout needs a second server, and is tried only
on CPU builds.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.real_vllm import RealServer
from tests.support.recorder import Recorder
from tests.support.server import Server
from tests.support.site import Site

pytest.register_assert_rewrite("tests.integration.lifecycle")

RAN_ON = pytest.StashKey[str]()
Real = tuple[Server, Path]


@contextmanager
def _external(url: str) -> Iterator[Real]:
    server = Server(url.rstrip("/"), os.environ.get("VLLM_API_KEY"))
    if server.served():
        raise RuntimeError(f"VLLM_EXTERNAL_URL is {url}, which serves adapters: this suite would unload them")
    yield server, Path(os.environ["VLLM_EXTERNAL_ADAPTERS"])


@contextmanager
def _cpu_build(release: str) -> Iterator[Real]:
    with RealServer(version=release, api_key="conformance-key") as real:
        yield Server(real.url, "conformance-key"), real.adapters


@pytest.fixture(scope="session")
def real(request: pytest.FixtureRequest) -> Iterator[Real]:
    """The server, and the directory of its adapters."""
    url = os.environ.get("VLLM_EXTERNAL_URL")
    with _external(url) if url else _cpu_build(request.config.getoption("vllm")) as (server, adapters):
        ran_on = f"vLLM {server.version()} at {server.url}"
        request.config.stash[RAN_ON] = ran_on
        with request.config.pluginmanager.get_plugin("capturemanager").global_and_fixture_disabled():
            print(f"Conformance with {ran_on}", flush=True)
        yield server, adapters


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.write_line(f"Conformance with {config.stash.get(RAN_ON, 'no server at all')}")


@pytest.fixture(scope="session")
def directory(real: Real) -> Iterator[Path]:
    """Where tests put artifacts: below the adapters, since the server may have no other directory in common with us.

    It stays to the end: an adapter that was served a moment ago may be read again.
    """
    with tempfile.TemporaryDirectory(prefix="conformance-", dir=real[1]) as directory:
        yield Path(directory)


@pytest.fixture
def site(real: Real, directory: Path, tmp_path: Path) -> Iterator[Site]:
    server, adapters = real
    with Recorder(server.url) as recorder:
        yield Site(server, recorder, adapters, directory / tmp_path.name, tmp_path)
    for name in server.served():
        server.unload(name)


@pytest.fixture
def second_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A site with a server of its own."""
    if os.environ.get("VLLM_EXTERNAL_URL"):
        pytest.skip("VLLM_EXTERNAL_URL names one server, and this needs two.")
    with _cpu_build(request.config.getoption("vllm")) as (server, adapters):  # noqa: SIM117
        with Recorder(server.url) as recorder:
            yield Site(server, recorder, adapters, adapters / "of-tests", tmp_path / "second")
