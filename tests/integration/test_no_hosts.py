# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook of the collection that has no host to work on fails, and says why: a nightly run would not be missed otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.guide import shell

# What is given to ansible-playbook, and what it has to say.
CASES = {
    "cannot be read": (
        "drift_audit -i broken.vllm.yml",
        "matches 'all', so nothing was done",
        "broken.vllm.yml, with 0 hosts",
    ),
    "cannot be read, limit": (
        "drift_audit -i broken.vllm.yml --limit edge1",
        "within --limit edge1, since the inventory is empty",
    ),
    "no such hosts": ("drift_audit -i sites.json -e drift_audit_hosts=north", "matches 'north', so nothing was done"),
    "empty group": ("drift_audit -i empty.json -e drift_audit_source=inventory", "matches 'vllm', so nothing was done"),
    "limit": ("drift_audit -i sites.json --limit web", "matches 'vllm' within --limit web, so nothing was done"),
    "converge, cannot be read": ("converge -i broken.vllm.yml", "matches 'all', so nothing was done"),
    "converge, limit": ("converge -i sites.json --limit web", "matches 'vllm' within --limit web, so nothing was done"),
    "adopt, no such hosts": ("adopt -i sites.json -e adopt_hosts=north", "matches 'north', so nothing was done"),
    "declaration, limit": (
        "declaration -i sites.json --limit web",
        "matches 'vllm' within --limit web, so nothing was done",
    ),
    "heal, limit": (
        'heal -i sites.json --limit edge1 -e \'{"ansible_eda": {"event": {"drift": {"endpoint": "harbour"}}}}\'',
        "matches 'localhost' within --limit edge1, so nothing was done",
    ),
}


@pytest.mark.parametrize(("given", "told"), [(case[0], case[1:]) for case in CASES.values()], ids=list(CASES))
def test_it_fails_and_says_why(tmp_path: Path, given: str, told: tuple[str, ...]) -> None:
    (tmp_path / "broken.vllm.yml").write_text("plugin: [")
    sites = {"vllm": {"hosts": {"edge1": {}}}, "others": {"hosts": {"web": {}}}}
    (tmp_path / "sites.json").write_text(json.dumps(sites))
    (tmp_path / "empty.json").write_text(json.dumps({**sites, "vllm": {}}))
    output = " ".join(shell(f"! ansible-playbook sovereign.vllm.{given}", tmp_path).split())
    for sentence in told:
        assert sentence in output


def test_localhost_is_a_host_like_any_other(tmp_path: Path) -> None:
    """Also the one that Ansible thinks of itself, with and without --limit."""
    declared = "-e drift_audit_hosts=localhost -e vllm_base_url=http://127.0.0.1:9 -e lora_retries=0"
    for limit in ("", "--limit localhost"):
        output = shell(
            f"ansible-playbook sovereign.vllm.drift_audit {declared} {limit} -e '{{\"lora_adapters\": []}}'",
            tmp_path,
        )
        assert "localhost is at" in output or "1 site: " in output
