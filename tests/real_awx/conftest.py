# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One controller for all tests, configured by examples/awx for the four sites of tests/examples/fleet.py."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.examples.conftest import EXAMPLES, PROJECT, foreign_environment
from tests.examples.fleet import KEY, SITES, Fleet
from tests.real_awx.controller import RealAwx
from tests.real_awx.images import JOBS_IMAGE, images
from tests.real_awx.jobs import Jobs
from tests.real_awx.programs import MissingProgramError
from tests.release.building import build

ANSIBLE_PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")


@dataclass(frozen=True)
class Run:
    """A run of controller.yml that has ended. tasks: how many it ran until it ended; changed: how many of them changed."""

    succeeded: bool
    tasks: int
    changed: int
    output: str


@dataclass(frozen=True)
class Configured:
    """The controller with its sites, and the runs that configured it: without the project's repository, with it, again.

    notified: the notifications that it has sent.
    """

    awx: RealAwx
    jobs: Jobs
    fleet: Fleet
    notified: list[str]
    without_repository: Run
    with_repository: Run
    again: Run


@pytest.fixture(scope="session")
def awx() -> Iterator[RealAwx]:
    with ExitStack() as stack:
        try:
            running = stack.enter_context(RealAwx(images()))
        except MissingProgramError as error:
            pytest.fail(str(error), pytrace=False)
        yield running


@pytest.fixture(scope="session")
def configured(awx: RealAwx, examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Configured]:
    top = tmp_path_factory.mktemp("sites")
    ansible = tmp_path_factory.mktemp("ansible")
    repository = top / "project"
    notified: list[str] = []
    with ExitStack() as servers:
        webhook = servers.enter_context(receiver(notified))
        configure = functools.partial(run_example, awx, ansible, repository, webhook)
        without_repository = configure(VLLM_API_KEY=KEY)
        fleet = Fleet(repository, examples, servers)
        commit(repository, build(PROJECT, tmp_path_factory.mktemp("tarball")))
        with_repository = configure()
        assert with_repository.succeeded, f"{awx.logs}\n{with_repository.output}"
        again = configure()
        yield Configured(awx, Jobs(awx), fleet, notified, without_repository, with_repository, again)


@pytest.fixture
def drifted(configured: Configured) -> Configured:
    """The controller, with its sites as they were at first: edge02 and edge03 drifted, edge04 is off."""
    for site in SITES[:3]:
        server = configured.fleet.servers[site]
        server.kill()
        server.restart()
        server.clear_log()
    return configured


@contextmanager
def receiver(bodies: list[str]) -> Iterator[str]:
    """A server that accepts every POST request and appends its body. Gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def run_example(awx: RealAwx, directory: Path, repository: Path, webhook: str, **variables: str) -> Run:
    """Run the example's playbook, as its README does, with these variables in the environment."""
    controller = {"CONTROLLER_HOST": awx.url, "CONTROLLER_OAUTH_TOKEN": awx.token}
    environment = {**foreign_environment(directory), **controller, **variables}
    command = [ANSIBLE_PLAYBOOK, EXAMPLES / "awx" / "controller.yml"]
    command += [
        "-e",
        f"project_url=file://{repository}",
        "-e",
        f"webhook_url={webhook}",
        "-e",
        f"ee_image={JOBS_IMAGE}",
    ]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    recap = re.search(r"ok=(\d+) +changed=(\d+) +unreachable=0 +failed=(\d+)", ended.stdout)
    assert recap, ended.stdout + ended.stderr
    ok, changed, failed = map(int, recap.groups())
    return Run(ended.returncode == 0, ok + failed, changed, ended.stdout + ended.stderr)


def commit(project: Path, tarball: Path) -> None:
    """Make a repository of the project, which asks for this tarball instead of one of Galaxy."""
    requirements = {"collections": [{"name": str(tarball), "type": "file"}]}
    (project / "collections" / "requirements.yml").write_text(json.dumps(requirements), encoding="utf-8")
    identity = ("-c", "user.name=tests", "-c", "user.email=tests@example.org")
    for arguments in (("init", "--quiet"), ("add", "."), (*identity, "commit", "--quiet", "--message", "Sites")):
        subprocess.run(["git", *arguments], cwd=project, check=True)
