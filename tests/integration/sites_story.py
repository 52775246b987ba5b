# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The story of three sites that only a disk reaches. test_sites_on_their_own.py runs it in a network without other machines."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.stand_in import StandIn, write_adapter
from tests.stand_in.request import Request
from tests.support.alone import is_alone
from tests.support.outpost import Headquarters, Outpost, carry, make_key, state_of
from tests.support.playbook import kill_playbook
from tests.support.server import Server

pytestmark = pytest.mark.timeout(600)  # most of it is the start of Ansible
PASSWORD = "ssh-password-5517"
HOSTS = {"edge1a": "edge1", "edge1b": "edge1", "edge2": "edge2", "edge3": "edge3"}
KEYS = {host: f"sk-{host}-8841" for host in HOSTS}
# Those that the clock or ssh-keygen's format make; everything else at a site stays as it is.
CHANGES = (
    "store",
    "site_directory/ledger.json",
    "site_directory/lock",
    "site_directory/results",
    "site_directory/site",
)


class World:
    """Headquarters, three nodes, four servers, and the disk that is on its way."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.secrets = [*KEYS.values(), PASSWORD]
        self.headquarters = Headquarters(directory / "hq", self.secrets)
        nodes = dict.fromkeys(HOSTS.values())
        self.sites = {node: Outpost(node, directory / node, self.headquarters, self.secrets) for node in nodes}
        self.disk = directory / "disk"
        self.artifacts = {
            seed: write_adapter(directory / "hq" / "artifacts" / str(seed), seed=seed) for seed in range(4)
        }
        for host, node in HOSTS.items():
            site = self.sites[node]
            server = site.servers[host] = stack.enter_context(StandIn(api_key=KEYS[host]))
            site.environment[f"KEY_OF_{host.upper()}"] = KEYS[host]
            self.headquarters.hosts[host] = {
                "bundle_node": node,
                "ansible_host": f"{host}.example",
                "ansible_password": PASSWORD,
                "vllm_base_url": server.url,
                "vllm_api_key_env": f"KEY_OF_{host.upper()}",
                "vllm_retry_delay": 0.05,
                "lora_store": str(site.store),
                "lora_prune": True,
                "lora_adapters": [self.adapter("sql", 0), self.adapter("legal", 1)],
            }

    def adapter(self, name: str, seed: int) -> dict[str, object]:
        return {"name": name, "src": str(self.artifacts[seed])}

    def declare(self, host: str, **seeds: int) -> None:
        self.headquarters.hosts[host]["lora_adapters"] = [self.adapter(*item) for item in seeds.items()]

    def served(self, host: str) -> dict[str, str]:
        return Server(self.server(host).url, KEYS[host]).served()

    def server(self, host: str) -> StandIn:
        return self.sites[HOSTS[host]].servers[host]

    def carried(self, bundle: Path) -> int:
        artifacts = bundle / "artifacts"
        return len(list(artifacts.iterdir())) if artifacts.exists() else 0

    def private_texts(self) -> list[str]:
        keys = [self.headquarters.key, *(site.key for site in self.sites.values())]
        return [*self.secrets, *(key.read_text().splitlines()[2] for key in keys)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(tmp_path_factory.mktemp("world"), stack)


def forget_log(world: World) -> None:
    for host in HOSTS:
        world.server(host).clear_log()


def test_a_bundle_holds_what_its_node_needs_and_nothing_of_others(world: World) -> None:
    assert is_alone()
    output = world.headquarters.bundle(world.disk)
    assert "2 artifacts (all artifacts)" in output
    assert not any(world.server(host).log for host in HOSTS)
    for node, site in world.sites.items():
        bundle = site.bundle_on(world.disk)
        assert world.carried(bundle) == 2
        own = {host for host, its in HOSTS.items() if its == node}
        others = [
            name
            for host in HOSTS
            if host not in own
            for name in (host, world.server(host).url, f"KEY_OF_{host.upper()}")
        ]
        texts = {file: file.read_bytes().decode(errors="replace") for file in bundle.rglob("*") if file.is_file()}
        found = [
            (file.name, text)
            for file, content in texts.items()
            for text in (*world.private_texts(), *others)
            if text in content
        ]
        assert not found
        assert own <= {host for host in HOSTS if host in texts[bundle / "site" / "hosts.yml"]}


def test_a_site_applies_its_bundle_and_changes_nothing_else(world: World) -> None:
    site = world.sites["edge1"]
    before = state_of(site.tree)
    output = site.apply(carry(site.bundle_on(world.disk), site.tree / "usb"))
    assert "was applied" in output
    for host in ("edge1a", "edge1b"):
        assert sorted(world.served(host)) == ["legal", "sql"]
        assert all(path.startswith(str(site.store)) for path in world.served(host).values())
    shutil.rmtree(site.tree / "usb" / site.bundle_on(world.disk).name)
    changed = {path for path, _state in before.items() ^ state_of(site.tree).items()}
    assert not [path for path in changed if not path.startswith((*CHANGES, "operator", "usb"))]


def test_a_run_that_is_killed_is_completed_by_the_next(world: World) -> None:
    """Every write of apply_bundle itself is tried in the unit tests; here are the steps of the server."""
    site = world.sites["edge2"]
    bundle = carry(site.bundle_on(world.disk), site.tree / "usb")
    server = world.server("edge2")
    for step in ("GET /v1/models", "POST /v1/load_lora_adapter", "POST /v1/completions"):
        running = site.start("sovereign.vllm.apply_bundle", variables=site.variables(bundle))

        def kill(request: Request, step: str = step, running: object = running) -> None:
            if f"{request.method} {request.path}" == step:
                server.on_request = None
                kill_playbook(running)

        server.on_request = kill
        output, _errors = running.communicate(timeout=120)
        assert running.returncode == -signal.SIGKILL, output
        assert server.on_request is None and not (site.site / "site").exists()
        assert site.ledger()["applied"] is None and site.ledger()["started"]
    assert "was applied" in site.apply(bundle)
    assert sorted(world.served("edge2")) == ["legal", "sql"]
    assert not list(site.store.rglob(".staging-*"))


def test_the_report_shows_two_as_of_and_one_unknown(world: World) -> None:
    for node in ("edge1", "edge2"):
        site = world.sites[node]
        (result,) = (site.tree / "usb").glob("result-*")
        carry(result, world.headquarters.directory / "back")
        texts = [file.read_text() for file in result.iterdir()]
        assert not [text for text in world.private_texts() if any(text in content for content in texts)]
    world.headquarters.results = [str(world.headquarters.directory / "back")]
    output, sites = world.headquarters.report()
    assert {name: site["verdict"] for name, site in sites.items()} == {
        "edge1a": "in_sync", "edge1b": "in_sync", "edge2": "in_sync", "edge3": "unreachable",
    }  # fmt: skip
    assert all(sites[name]["as_of"].startswith("20") for name in ("edge1a", "edge1b", "edge2"))
    assert sites["edge3"]["as_of"] is None and "edge3: unreachable: The state of this site is unknown" in output
    assert sites["edge1a"]["version"] and sites["edge1a"]["bundle"] == world.sites["edge1"].ledger()["applied"]


def test_the_next_bundle_carries_only_differences(world: World) -> None:
    world.declare("edge2", sql=2, legal=1)
    # The servers of edge1 cannot load this one.
    world.artifacts[3] = write_adapter(world.artifacts[3], rank=64)
    world.declare("edge1a", sql=0, legal=3)
    output = world.headquarters.bundle(world.disk)
    assert {node: world.carried(site.bundle_on(world.disk)) for node, site in world.sites.items()} == {
        "edge1": 1, "edge2": 1, "edge3": 2,
    }  # fmt: skip
    assert "1 artifact (only what edge2 does not have after bundle" in output
    assert "edge1b" in world.headquarters.bundle(world.disk / "other", "--limit", "edge1a", rc=2)
    assert not list((world.disk / "other").glob("bundle-*"))


def test_refused_bundles_reach_no_server(world: World) -> None:
    site = world.sites["edge2"]
    newest, first = site.bundle_on(world.disk), min(world.disk.glob("bundle-edge2-*"))
    flipped = carry(newest, site.tree / "bad")
    weights = next(flipped.rglob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    forged = carry(newest, site.tree / "forged")
    (forged / "manifest.json.sig").unlink()
    sign = ["ssh-keygen", "-Y", "sign", "-f", str(make_key(site.tree / "forger")), "-n", "sovereign.vllm.bundle"]
    subprocess.run([*sign, str(forged / "manifest.json")], check=True)
    forget_log(world)
    before = state_of(site.store), state_of(site.site)
    for bundle, code in (
        (first, "bundle_superseded"),
        (world.sites["edge3"].bundle_on(world.disk), "bundle_of_other_node"),
        (forged, "untrusted"),
        (flipped, "bundle_damaged"),
    ):
        output = site.apply(bundle, rc=2)
        assert f'"code": "{code}"' in output
    assert (state_of(site.store), state_of(site.site)) == before
    assert not any(world.server(host).log for host in HOSTS)


def test_the_differences_are_applied_and_a_bundle_that_fails_is_taken_back(world: World) -> None:
    good, bad = world.sites["edge2"], world.sites["edge1"]
    before = {host: world.served(host) for host in HOSTS}
    good.apply(carry(good.bundle_on(world.disk), good.tree / "usb"))
    assert world.served("edge2")["legal"] == before["edge2"]["legal"]
    assert world.served("edge2")["sql"] != before["edge2"]["sql"]
    declared = (bad.site / "site" / "hosts.yml").read_text()
    output = bad.apply(carry(bad.bundle_on(world.disk), bad.tree / "usb"), rc=2)
    assert '"code": "bundle_taken_back"' in output and "edge1a" in output
    assert {host: world.served(host) for host in ("edge1a", "edge1b")} == {h: before[h] for h in ("edge1a", "edge1b")}
    assert (bad.site / "site" / "hosts.yml").read_text() == declared
    for site in (good, bad):
        result = max((site.tree / "usb").glob("result-*"))
        carry(result, world.headquarters.directory / "back")
    _output, sites = world.headquarters.report()
    assert {name: site["verdict"] for name, site in sites.items()} == {
        "edge1a": "drifted", "edge1b": "in_sync", "edge2": "in_sync", "edge3": "unreachable",
    }  # fmt: skip
    assert "bundle_taken_back" in [finding["id"] for finding in sites["edge1a"]["findings"]]
    assert json.dumps(sites).count(os.linesep) == 0
