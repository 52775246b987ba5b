# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tarball holds what users need: nothing that is missing, and nothing else."""

from __future__ import annotations

import re
import subprocess
import tarfile
from pathlib import Path

from tests.release.building import PROJECT, clone, files

# build_ignore only says what does not go in, and forgets every new file.
FOR_USERS = re.compile(
    r"(docs/docsite|extensions/eda|LICENSES|meta|playbooks|plugins|roles)/.+"
    r"|changelogs/changelog\.yaml|CHANGELOG\.rst|COPYING|README\.md|REUSE\.toml|SECURITY\.md|requirements\.txt|(FILES|MANIFEST)\.json"
)
# What lies around in a clone that was worked in, when somebody builds without our tools.
RUBBISH = (
    ".build/log/unit.log",
    ".pytest_cache/README.md",
    ".venv/bin/python",
    "changelogs/.plugin-cache.yaml",
    "collections/ansible_collections/sovereign/vllm/galaxy.yml",
    "plugins/module_utils/__pycache__/_plan.cpython-312.pyc",
    "plugins/modules/.vllm_server_info.py.swp",
    "playbooks/converge.retry",
    "sovereign-vllm-0.9.0.tar.gz",
    "tests/output/junit/unit.xml",
)


def test_everything_in_it_is_for_users(tarball: Path) -> None:
    assert [name for name in sorted(files(tarball)) if not FOR_USERS.fullmatch(name)] == []


def test_everything_for_users_is_in_it(tarball: Path) -> None:
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    listing = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    ours = {name for name in listing.splitlines() if FOR_USERS.fullmatch(name) and (PROJECT / name).is_file()}
    assert len(ours) > 100
    assert ours - files(tarball) == set()


def test_nothing_in_it_is_a_program_and_the_only_link_is_to_the_licence(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        assert {oct(member.mode) for member in archive if member.isfile()} == {"0o644"}
        assert {member.name: member.linkname for member in archive if member.issym()} == {
            "LICENSES/GPL-3.0-or-later.txt": "../COPYING"
        }
        assert archive.extractfile("COPYING").readline().split() == [b"GNU", b"GENERAL", b"PUBLIC", b"LICENSE"]


def test_a_clone_that_was_worked_in_adds_nothing(tarball: Path, tmp_path: Path) -> None:
    worked_in = clone(tmp_path / "clone")
    # The working tree may be ahead of the last commit in what is packed and in what is not.
    before = plainly_built(worked_in, tmp_path / "before")
    for name in RUBBISH:
        (worked_in / name).parent.mkdir(parents=True, exist_ok=True)
        (worked_in / name).write_text("rubbish")
    assert plainly_built(worked_in, tmp_path / "after") == before


def plainly_built(project: Path, directory: Path) -> set[str]:
    """The files in a tarball that ansible-galaxy builds in a clone itself, as it does to install from git."""
    command = ["ansible-galaxy", "collection", "build", "--output-path", directory, project]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = directory.glob("*.tar.gz")
    return files(built)


def test_sanity_has_no_exceptions() -> None:
    assert list((PROJECT / "tests" / "sanity").glob("ignore-*")) == []
