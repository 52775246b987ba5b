# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the real `ansible-inventory` of the environment that runs pytest, and return what it lists."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .environment import clean_environment

ANSIBLE_INVENTORY = Path(sys.executable).with_name("ansible-inventory")
RUN_SECONDS = 120  # a last resort


@dataclass(frozen=True)
class Listing:
    """What `ansible-inventory --list` printed; `messages` is what it warned of, on one line."""

    groups: dict[str, Any]
    hosts: dict[str, dict[str, Any]]
    text: str
    messages: str

    def members(self, group: str) -> list[str]:
        return self.groups.get(group, {}).get("hosts", [])

    def __getitem__(self, host: str) -> dict[str, Any]:
        return self.hosts[host]


class Inventory:
    """One file for the plugin, in a directory of its own where Ansible's files of a run go as well.

    options: of the plugin, beside `plugin`; sources: other inventory files, which are read first.
    """

    def __init__(self, directory: Path, options: Mapping[str, Any], sources: Sequence[Path] = ()) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.file = directory / "fleet.vllm.yml"
        self.sources = list(sources)
        self.write(options)

    def write(self, options: Mapping[str, Any]) -> None:
        self.file.write_text(json.dumps({"plugin": "sovereign.vllm.vllm", **options}), encoding="utf-8")

    def list(self, *, environment: Mapping[str, str] | None = None) -> Listing:
        result = self.run("--list", environment=environment)
        assert result.returncode == 0, result.stderr
        decoded = _plain(json.loads(result.stdout))
        hosts = decoded.pop("_meta")["hostvars"]
        return Listing(decoded, hosts, result.stdout, " ".join(result.stderr.split()))

    def run(self, *options: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        sources = [option for source in (*self.sources, self.file) for option in ("-i", str(source))]
        return subprocess.run(
            [ANSIBLE_INVENTORY, *sources, *options],
            cwd=self.directory,
            env=clean_environment(self.directory) | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )


def _plain(value: Any) -> Any:
    """Without the marks of what is no template."""
    if isinstance(value, dict):
        return value["__ansible_unsafe"] if "__ansible_unsafe" in value else {k: _plain(v) for k, v in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
