# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The story of a node that nobody reaches, and of its agent. test_agent.py runs it in a network without other machines."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.stand_in import Fault, StandIn, write_adapter
from tests.support.alone import is_alone
from tests.support.outpost import Headquarters, Outpost
from tests.support.server import Server

pytestmark = pytest.mark.timeout(600)  # most of it is the start of Ansible
KEYS = {"one": "sk-one-2904", "two": "sk-two-7731"}
# As the program in venv/bin, with the Python and the collection of the tests.
PROGRAM = """
import sys
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.agent import main
sys.exit(main(sys.argv.pop(1)))
"""


class Node:
    """A node with two servers, to which a bundle was applied. The disk and headquarters are gone since."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        headquarters = Headquarters(directory / "hq", list(KEYS.values()))
        self.site = Outpost("edge", directory / "edge", headquarters, list(KEYS.values()))
        self.servers = {host: stack.enter_context(StandIn(api_key=key)) for host, key in KEYS.items()}
        artifact = write_adapter(directory / "hq" / "artifact")
        for host, server in self.servers.items():
            self.site.environment[f"KEY_{host.upper()}"] = KEYS[host]
            headquarters.hosts[host] = {
                "bundle_node": "edge",
                "vllm_base_url": server.url,
                "vllm_api_key_env": f"KEY_{host.upper()}",
                "vllm_retry_delay": 0.05,
                "lora_store": str(self.site.store),
                "lora_adapters": [{"name": f"sql-{host}", "src": str(artifact)}],
            }
        headquarters.bundle(directory / "disk")
        self.bundle = self.site.bundle_on(directory / "disk")
        self.site.apply(self.bundle)
        self.declared = {host: self.served(host) for host in KEYS}
        shutil.rmtree(headquarters.directory)
        shutil.rmtree(directory / "disk")
        self.credentials = directory / "credentials"
        self.credentials.mkdir(mode=0o700)
        for host, key in KEYS.items():
            (self.credentials / f"KEY_{host.upper()}").write_text(f"{key}\n")

    def served(self, host: str) -> dict[str, str]:
        return Server(self.servers[host].url, KEYS[host]).served()

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.site.site), *arguments],
            env={
                "PATH": os.defpath,
                "PYTHONPATH": os.environ["ANSIBLE_COLLECTIONS_PATH"],
                "ANSIBLE_COLLECTIONS_PATH": os.environ["ANSIBLE_COLLECTIONS_PATH"],
                "ANSIBLE_HOME": str(self.site.directory / "home"),
                "CREDENTIALS_DIRECTORY": str(self.credentials),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self, running: subprocess.Popen[str], rc: int = 0) -> str:
        output, _errors = running.communicate(timeout=300)
        assert running.returncode == rc, output
        assert not [key for key in KEYS.values() if key in output]
        return output

    def is_busy(self) -> bool:
        """Whether somebody holds the lock of the node."""
        with (self.site.site / "lock").open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return True
            return False


def wait_until(happens: Callable[[], bool]) -> None:
    while not happens():
        time.sleep(0.1)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with ExitStack() as stack:
        yield Node(tmp_path_factory.mktemp("node"), stack)


def test_after_a_power_cut_each_server_gets_its_adapters_when_it_answers(node: Node) -> None:
    assert is_alone()
    assert all(served and set(served) == {f"sql-{host}"} for host, served in node.declared.items())
    assert node.end(node.start("status"), rc=1) == "The agent has not run yet.\n"
    one, two = node.servers.values()
    one.restart()
    two.kill()
    assert node.served("one") == {}
    running = node.start("run", "--wait", "300", "--keep", "2")
    # The other server does not have to answer for this.
    wait_until(lambda: node.served("one") == node.declared["one"])
    two.restart()
    node.end(running)
    assert {host: node.served(host) for host in KEYS} == node.declared
    status = node.end(node.start("status"))
    serial = json.loads((node.site.site / "ledger.json").read_text())["applied"]
    repaired = "serves the declared adapters again, after a repair"
    assert status.endswith(f"Z: one {repaired}; two {repaired} (bundle {serial}).\n")


def test_no_key_is_in_a_file_of_the_site(node: Node) -> None:
    texts = [
        file.read_bytes() for top in (node.site.site, node.site.store) for file in top.rglob("*") if file.is_file()
    ]
    assert texts
    assert not [key for key in KEYS.values() for text in texts if key.encode() in text]


def test_agent_and_apply_exclude_each_other(node: Node) -> None:
    for server in node.servers.values():
        server.clear_log()
    with (node.site.site / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another run of the agent or of apply_bundle holds" in node.end(node.start("run"))
        assert "another run of the agent or of apply_bundle holds" in node.site.apply(node.site.store, rc=2)
    assert not [server.log for server in node.servers.values() if server.log]


def test_a_run_that_is_killed_during_a_load_is_completed_by_the_next(node: Node) -> None:
    one = node.servers["one"]
    for server in node.servers.values():
        server.restart()
        server.clear_log()
    one.faults.add(Fault("POST", "/v1/load_lora_adapter", "silence"))
    running = node.start("run")
    wait_until(lambda: bool(one.writes))
    running.kill()
    running.wait()
    # Its playbook still waits for the answer.
    assert node.is_busy()
    one.faults.clear()
    wait_until(lambda: not node.is_busy())
    node.end(node.start("run"))
    assert {host: node.served(host) for host in KEYS} == node.declared
