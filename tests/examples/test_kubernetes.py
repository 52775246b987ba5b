# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example for Kubernetes: manifests against the real schemas, the playbook against an emulated API server."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.examples.cluster import Cluster
from tests.examples.conftest import EXAMPLES, foreign_environment
from tests.stand_in import StandIn
from tests.support.playbook import ANSIBLE_PLAYBOOK
from tests.support.server import Server

KEY = "sk-kubernetes-9930"
EXAMPLE = EXAMPLES / "kubernetes"
MANIFESTS = sorted((EXAMPLE / "manifests").glob("*.yml"))
KUBERNETES_VALIDATE = Path(sys.executable).with_name("kubernetes-validate")


def manifest(name: str) -> dict[str, Any]:
    return yaml.safe_load((EXAMPLE / "manifests" / f"{name}.yml").read_text())


def test_manifests_are_valid() -> None:
    checked = subprocess.run([KUBERNETES_VALIDATE, "--strict", *MANIFESTS], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert len(MANIFESTS) == 4


def test_no_service_can_break_the_servers_port() -> None:
    assert manifest("inference")["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_every_replica_has_an_address_before_it_is_ready() -> None:
    service = manifest("replicas")["spec"]
    assert service["clusterIP"] == "None"
    assert service["publishNotReadyAddresses"] is True


def test_the_parts_fit() -> None:
    pod = manifest("inference")["spec"]["template"]
    container = pod["spec"]["containers"][0]
    for name in ("service", "replicas"):
        assert manifest(name)["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        assert manifest(name)["spec"]["ports"][0]["targetPort"] in [port["name"] for port in container["ports"]]
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    declared = yaml.safe_load((EXAMPLE / "adapters.yml").read_text())["lora_adapters"]
    assert all(adapter["path"].startswith(mounted["adapters"] + "/") for adapter in declared)
    assert {f"--served-model-name={adapter['base_model']}" for adapter in declared} <= set(container["args"])
    claims = {
        volume["name"]: volume.get("persistentVolumeClaim", {}).get("claimName") for volume in pod["spec"]["volumes"]
    }
    assert claims["adapters"] == manifest("adapters")["metadata"]["name"]


@pytest.fixture
def replicas() -> Iterator[dict[str, StandIn]]:
    """Two servers with the same port, each at an address of its own, as pods have them."""
    settings = {"base_models": ("base",), "api_key": KEY}
    with (
        StandIn(host="127.0.0.2", **settings) as first,
        StandIn(host="127.0.0.3", port=first.port, **settings) as second,
    ):
        yield {"inference-6c8-x7k2p": first, "inference-6c8-zz41q": second}


class Deployment:
    """The playbook on a cluster with these replicas."""

    def __init__(self, cluster: Cluster, directory: Path, adapters: Path) -> None:
        self.cluster = cluster
        kubeconfig = cluster.write_kubeconfig(directory / "kubeconfig")
        self._environment = {**foreign_environment(directory), "KUBECONFIG": str(kubeconfig), "VLLM_API_KEY": KEY}
        self._environment.update(K8S_AUTH_KUBECONFIG=str(kubeconfig), no_proxy="*")
        self.declared = {"sql": str(adapters / "first"), "summaries": str(adapters / "second")}

    def converge(self, *options: str) -> subprocess.CompletedProcess[str]:
        adapters = [{"name": name, "path": path, "base_model": "base"} for name, path in self.declared.items()]
        # The replicas are on this machine, so that it may ask at a loopback address.
        variables = {"lora_adapters": adapters, "ansible_host": "127.0.0.1"}
        command = [ANSIBLE_PLAYBOOK, EXAMPLE / "converge.yml", "-e", json.dumps(variables), *options]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)


@pytest.fixture
def deployment(replicas: dict[str, StandIn], tmp_path: Path, examples: Path) -> Iterator[Deployment]:
    addresses = {name: (server.settings.host, server.port) for name, server in replicas.items()}
    with Cluster(addresses) as cluster:
        yield Deployment(cluster, tmp_path, examples)


def test_every_replica_serves_what_is_declared(deployment: Deployment, replicas: dict[str, StandIn]) -> None:
    first = deployment.converge()
    assert first.returncode == 0, first.stdout + first.stderr
    assert {kind: sorted(named) for kind, named in deployment.cluster.stored.items() if named} == {
        "PersistentVolumeClaim": ["adapters"],
        "Service": ["inference", "inference-replicas"],
        "Deployment": ["inference"],
    }
    for name, server in replicas.items():
        assert Server(server.url, KEY).served() == deployment.declared, name
    assert KEY not in first.stdout + first.stderr
    # A replica that was restarted has forgotten them; the other one is left alone.
    restarted, other = replicas.values()
    restarted.kill()
    restarted.restart()
    other.clear_log()
    before = copy.deepcopy(deployment.cluster.stored)
    again = deployment.converge()
    assert again.returncode == 0, again.stdout + again.stderr
    assert Server(restarted.url, KEY).served() == deployment.declared
    assert not other.writes
    assert deployment.cluster.stored == before
