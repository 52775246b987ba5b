# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The version that is released, the change log and its page name the same release."""

from __future__ import annotations

import pytest
import yaml

from tests.release.building import PROJECT


def read(name: str) -> dict:
    return yaml.safe_load((PROJECT / name).read_text())


def test_the_version_is_in_the_changelog() -> None:
    version = read("galaxy.yml")["version"]
    if "-" in version:
        pytest.skip("Nothing is released from here: the version has a suffix.")
    release = read("changelogs/changelog.yaml")["releases"][version]
    assert release["changes"]["release_summary"]
    page = (PROJECT / "CHANGELOG.rst").read_text()
    assert f"\nv{version}\n" in page
    named = {entry["name"] for kind in ("plugins", "modules", "objects") for entry in entries(release.get(kind, []))}
    assert [name for name in named if f"sovereign.vllm.{name}" not in page] == []


def entries(listed: list | dict) -> list[dict]:
    """The entries of one kind: plugins are by type, modules are not."""
    return listed if isinstance(listed, list) else [entry for entries in listed.values() for entry in entries]
