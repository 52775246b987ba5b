# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headquarters with its inventory, and sites that only a disk reaches: each has its own directory tree and its own server."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.stand_in import StandIn

from .environment import clean_environment

PLAYBOOK = (sys.executable, "-m", "ansible", "playbook")


def make_key(file: Path) -> Path:
    """Make a key without passphrase, as an operator does."""
    file.parent.mkdir(parents=True, exist_ok=True)
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"comment-of-{file.name}", "-f", str(file)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return file


def allow(file: Path, name: str, key: Path, namespace: str) -> None:
    """Add the public key to a file of allowed signers."""
    kind, public, *_comment = key.with_suffix(".pub").read_text().split()
    with file.open("a") as stream:
        stream.write(f'{name} namespaces="sovereign.vllm.{namespace}" {kind} {public}\n')


def state_of(top: Path) -> dict[str, str]:
    """Every file below a directory with its SHA-256, every link with its target, every other directory."""
    found = {}
    for path in sorted(top.rglob("*")):
        kind = f"-> {path.readlink()}" if path.is_symlink() else "directory"
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else kind
        found[str(path.relative_to(top))] = digest
    return found


class Commands:
    """Runs commands in a directory, and checks that no secret is printed."""

    def __init__(self, directory: Path, secrets: list[str]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.secrets = secrets
        self.environment: dict[str, str] = {}

    def start(self, *arguments: str, variables: Mapping[str, Any] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*PLAYBOOK, *arguments, "-e", json.dumps(variables or {})],
            cwd=self.directory,
            env={**clean_environment(self.directory), **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def play(self, *arguments: str, rc: int = 0, variables: Mapping[str, Any] | None = None) -> str:
        """Run a playbook. Return what it printed, on one line."""
        running = self.start(*arguments, variables=variables)
        output, _errors = running.communicate(timeout=300)
        assert running.returncode == rc, f"{arguments} returned {running.returncode}, not {rc}:\n{output}"
        assert not [secret for secret in self.secrets if secret in output]
        return " ".join(output.split())


class Headquarters(Commands):
    """Declares the adapters of all sites, and signs the bundles."""

    def __init__(self, directory: Path, secrets: list[str]) -> None:
        super().__init__(directory, secrets)
        self.key = make_key(directory / "private" / "hq_key")
        self.signers = directory / "sites.allowed"
        self.results: list[str] = []
        self.hosts: dict[str, dict[str, Any]] = {}

    def bundle(self, disk: Path, *arguments: str, rc: int = 0, **variables: Any) -> str:
        self.write_inventory()
        given = {
            "bundle_directory": str(disk),
            "bundle_signing_key": str(self.key),
            "drift_report_results": self.results,
            "drift_report_result_signers": str(self.signers),
            **variables,
        }
        return self.play("-i", "inventory.json", *arguments, "sovereign.vllm.bundle", rc=rc, variables=given)

    def report(self, rc: int = 0, **variables: Any) -> tuple[str, dict[str, dict]]:
        """Return what the report printed, and its entries by name."""
        self.write_inventory()
        given = {
            "drift_audit_source": "results",
            "drift_report_results": self.results,
            "drift_report_result_signers": str(self.signers),
            **variables,
        }
        output = self.play("-i", "inventory.json", "sovereign.vllm.drift_audit", rc=rc, variables=given)
        report = json.loads((self.directory / "drift_report" / "drift.json").read_text())
        return output, {site["name"]: site for site in report["sites"]}

    def write_inventory(self) -> None:
        (self.directory / "inventory.json").write_text(json.dumps({"vllm": {"hosts": self.hosts}}))


class Outpost(Commands):
    """One node: its tree, its keys, its servers, and the directory of the site."""

    def __init__(self, node: str, directory: Path, headquarters: Headquarters, secrets: list[str]) -> None:
        super().__init__(directory / "operator", secrets)
        self.node = node
        self.tree = directory
        self.site = directory / "site_directory"
        self.store = directory / "store"
        self.key = make_key(directory / "keys" / "site_key")
        self.site.mkdir()
        allow(self.site / "allowed_signers", "headquarters", headquarters.key, "bundle")
        allow(headquarters.signers, node, self.key, "result")
        self.servers: dict[str, StandIn] = {}

    def bundle_on(self, disk: Path) -> Path:
        """The newest bundle for this node on the disk."""
        return max(disk.glob(f"bundle-{self.node}-*"), key=lambda path: int(path.name.rpartition("-")[2]))

    def variables(self, bundle: Path, **variables: Any) -> dict[str, Any]:
        return {
            "bundle": str(bundle),
            "agent_directory": str(self.site),
            "bundle_node": self.node,
            "bundle_result_key": str(self.key),
            **variables,
        }

    def apply(self, bundle: Path, *arguments: str, rc: int = 0, **variables: Any) -> str:
        given = self.variables(bundle, **variables)
        return self.play(*arguments, "sovereign.vllm.apply_bundle", rc=rc, variables=given)

    def ledger(self) -> dict[str, Any]:
        return json.loads((self.site / "ledger.json").read_text())


def carry(source: Path, target: Path) -> Path:
    """Copy a directory onto another disk, as a person does."""
    target.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copytree(source, target / source.name))
