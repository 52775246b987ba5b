# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit accepts every declaration that the role accepts: a fleet that was just converged is in sync."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.environment import clean_environment
from tests.support.playbook import ANSIBLE_PLAYBOOK, IN_WORKER
from tests.support.site import Site

from .conftest import NewSite

pytestmark = pytest.mark.timeout(400)
KEY = "sk-artifacts-8841"
# The node cannot be reached, and its server can.
OVER_SSH = {
    "ansible_connection": "ssh",
    "ansible_host": "127.0.0.1",
    "ansible_port": 9,
    "vllm_ask_from": "controller",
}
PLAN_IDS = """
- hosts: vllm
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: sovereign.vllm.lora}
    - ansible.builtin.include_role: {name: sovereign.vllm.lora, tasks_from: audit}
    - ansible.builtin.assert:
        that:
          - drift_report_audit.plan_id == lora_result.plan_id
          - drift_report_audit.adapters == lora_result.adapters
          - lora_result.verdict == 'drifted'
"""


class Sites:
    """One site for each way to declare an artifact."""

    def __init__(self, directory: Path, new_site: Callable[..., Site]) -> None:
        self.directory = directory
        self.sites = {name: new_site(api_key=KEY) for name in WAYS}
        self.hosts: dict[str, dict[str, Any]] = {
            name: {
                **IN_WORKER,
                "vllm_base_url": site.watched.url,
                "lora_store": f"{site.artifacts}/store",
                "lora_prune": True,
                **WAYS[name](site),
            }
            for name, site in self.sites.items()
        }

    def run(self, playbook: str, *options: str, **variables: object) -> subprocess.CompletedProcess[str]:
        for site in self.sites.values():
            site.watched.clear_log()
        (self.directory / "sites.json").write_text(json.dumps({"vllm": {"hosts": self.hosts}}))
        everywhere = {"vllm_retries": 0, "drift_report_directory": str(self.directory / "report"), **variables}
        run = subprocess.run(
            [ANSIBLE_PLAYBOOK, "-i", "sites.json", *options, playbook, "-e", json.dumps(everywhere)],
            cwd=self.directory,
            env=clean_environment(self.directory) | {"VLLM_API_KEY": KEY},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert KEY not in run.stdout + run.stderr
        return run

    def audit(self, *options: str, **variables: object) -> dict[str, dict]:
        run = self.run("sovereign.vllm.drift_audit", *options, **variables)
        report = json.loads((self.directory / "report" / "drift.json").read_text())
        assert len(report["sites"]) == len(self.sites), run.stdout + run.stderr
        return {site["name"]: site for site in report["sites"]}

    def asked(self, name: str) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.sites[name].watched.log]


def packed(site: Site) -> str:
    return shutil.make_archive(f"{site.artifacts}/sql", "gztar", site.artifact("sources/sql"))


def checksum_of(file: str) -> str:
    found = subprocess.run(["sha256sum", file], capture_output=True, text=True, check=True)
    return f"sha256:{found.stdout.split()[0]}"


def of_archive(site: Site) -> dict[str, Any]:
    return {"lora_adapters": [{"name": "sql", "src": packed(site)}]}


def of_directory(site: Site) -> dict[str, Any]:
    boot = {"lora_boot_file": f"{site.artifacts}/etc/lora.env"}
    return {"lora_adapters": [{"name": "sql", "src": site.artifact("sql")}], **boot}


def of_version(site: Site) -> dict[str, Any]:
    # The server sees the store elsewhere.
    (site.artifacts / "store").mkdir(parents=True, exist_ok=True)
    inside = site.artifacts / "inside"
    inside.symlink_to(site.artifacts / "store")
    return {**of_archive(site), "lora_versioned_names": "yes", "lora_server_store": str(inside)}


def of_checksum(site: Site) -> dict[str, Any]:
    archive = packed(site)
    return {
        "lora_adapters": [
            {"name": "sql", "src": archive, "checksum": checksum_of(archive).upper().replace("SHA", "sha")}
        ]
    }


def of_node(site: Site) -> dict[str, Any]:
    return {"lora_adapters": [{"name": "sql", "src": site.artifact("sql"), "remote_src": True}]}


WAYS: dict[str, Callable[[Site], dict[str, Any]]] = {
    "archive": of_archive,
    "directory": of_directory,
    "version": of_version,
    "digest": of_directory,
    "checksum": of_checksum,
    "node": of_node,
}


@pytest.fixture
def sites(tmp_path: Path, new_site: NewSite) -> Iterator[Sites]:
    yield Sites(tmp_path, new_site)


def test_what_was_converged_is_in_sync(sites: Sites) -> None:
    run = sites.run("sovereign.vllm.converge", lora_serial="100%")
    assert run.returncode == 0, run.stdout + run.stderr
    served = {name: site.server.served() for name, site in sites.sites.items()}
    # Only their digests and checksums are left.
    declared = [{"name": "sql", "digest": digest_of(sites.sites["digest"])}]
    sites.hosts["digest"] = {**sites.hosts["digest"], "lora_adapters": declared}
    shutil.rmtree(sites.sites["digest"].artifacts / "sql")
    os.remove(sites.hosts["checksum"]["lora_adapters"][0]["src"])
    local = dict(sites.hosts)
    for name in ("archive", "version", "digest", "checksum"):
        sites.hosts[name] = {**sites.hosts[name], **OVER_SSH}

    found = sites.audit()
    assert {name: site["verdict"] for name, site in found.items()} == dict.fromkeys(WAYS, "in_sync"), found
    assert {name: sites.asked(name) for name in WAYS} == {name: ["GET /v1/models"] for name in WAYS}
    assert {name: site["findings"] for name, site in found.items()} == {name: [] for name in WAYS}

    # With what the inventory saw, the audit asks no node.
    (sites.directory / "fleet.vllm.yml").write_text(
        json.dumps(
            {"plugin": "sovereign.vllm.vllm", "from_hosts": {"pattern": "all", "base_url": "{{ vllm_base_url }}"}}
        )
    )
    boot = sites.sites["directory"].artifacts / "etc" / "lora.env"
    boot.write_text(boot.read_text().replace("sql=", "other="))
    seen = sites.audit("-i", "fleet.vllm.yml", drift_audit_source="inventory")
    assert {name: site["verdict"] for name, site in seen.items()} == {
        **dict.fromkeys(WAYS, "in_sync"),
        "node": "failed",
    }, seen
    assert "audit the site live, or declare the digest" in seen["node"]["reason"]
    assert {name: site["plan_id"] for name, site in seen.items() if name != "node"} == {
        name: site["plan_id"] for name, site in found.items() if name != "node"
    }

    # A node that starts with other adapters, another artifact, and one that is gone.
    sites.hosts = local
    sites.sites["archive"].artifact("sources/sql", "second")
    shutil.make_archive(
        f"{sites.sites['archive'].artifacts}/sql", "gztar", sites.sites["archive"].artifacts / "sources/sql"
    )
    shutil.rmtree(sites.sites["node"].artifacts / "sql")
    found = sites.audit()
    assert {name: site["verdict"] for name, site in found.items()} == {
        **dict.fromkeys(WAYS, "in_sync"),
        "archive": "drifted",
        "node": "failed",
    }, found
    assert [finding["id"] for finding in found["directory"]["findings"]] == ["boot_file_differs"]
    assert found["archive"]["adapters"][0]["drift"] == "path"
    assert found["node"]["error"]["code"] == "artifact_not_found"
    assert {name: site.server.served() for name, site in sites.sites.items()} == served


def digest_of(site: Site) -> str:
    """As an operator finds it out."""
    found = subprocess.run(
        [ANSIBLE_PLAYBOOK.with_name("ansible"), "localhost", "-m", "sovereign.vllm.vllm_lora_artifact_info"]
        + ["-a", f"path={site.server.served()['sql']}"],
        env=clean_environment(site.artifacts),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return json.loads(found.partition("=>")[2])["digest"]


def test_the_audit_has_the_plan_of_the_role(sites: Sites, new_site: NewSite) -> None:
    """Also where an older version of a versioned name must not be pruned, and another adapter is."""
    site = sites.sites["version"]
    sites.sites, sites.hosts = {"version": site}, {"version": sites.hosts["version"]}
    sites.hosts["version"] |= {"lora_prune_limit": 1, "lora_grace_period": 0}
    run = sites.run("sovereign.vllm.converge")
    assert run.returncode == 0, run.stdout + run.stderr
    site.server.load("extra", site.artifact("extra"))
    site.artifact("sources/sql", "second")
    shutil.make_archive(f"{site.artifacts}/sql", "gztar", site.artifacts / "sources/sql")
    (sites.directory / "plans.yml").write_text(PLAN_IDS)
    run = sites.run("plans.yml", "--check")
    assert run.returncode == 0, run.stdout + run.stderr
