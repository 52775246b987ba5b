# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run made a report: its inventory, its commit, who started it."""

from __future__ import annotations

import getpass
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info < (3, 10):
    pytest.skip("These run on the controller.", allow_module_level=True)

from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.run import run_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.text import run_words

SECRETS = {"vllm_api_key": "sk-run-7731", "awx_user_email": "ada@example.com", "tower_job_id": 4}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An inventory that git tracks, beside a file that it does not track. The tests start elsewhere."""
    assert shutil.which("git"), "Install git."
    directory = tmp_path / "fleet"
    directory.mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    # As in a hook of git.
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "none"))
    (directory / "hosts.yml").write_text("all:\n")
    (directory / "new.yml").write_text("all:\n")
    git(directory, "init", "-q")
    git(directory, "add", "hosts.yml")
    git(directory, "commit", "-qm", "Add the inventory")
    return directory


def git(directory: Path, *command: str) -> str:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    done = subprocess.run(
        ["git", "-C", directory, "--git-dir", directory / ".git", *who, *command], check=True, capture_output=True
    )
    return done.stdout.decode().strip()


def test_the_commit_is_that_of_the_inventory(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    hosts = {"ansible_inventory_sources": [str(repository / "hosts.yml")], "ansible_limit": "north"}
    found = run_of({**hosts, **SECRETS})
    assert found["commit"] == {"id": head, "changed": False}, "an untracked file, such as the report, is no change"
    assert found["inventory"] == [str(repository / "hosts.yml")]
    assert (found["user"], found["limit"], found["job"]) == (getpass.getuser(), "north", None)
    words = [f"inventory {repository}/hosts.yml", f"commit {head[:12]}", f"by {getpass.getuser()}", "limited to north"]
    assert run_words(found) == words

    (repository / "hosts.yml").write_text("all: {}\n")
    changed = run_of({**hosts, "ansible_check_mode": True})
    assert changed["commit"] == {"id": head, "changed": True}
    assert run_words(changed)[1] == f"commit {head[:12]}, and changes since"
    assert run_words(changed)[-1] == "check mode"


def test_where_the_playbook_starts_counts_if_the_inventory_is_elsewhere(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_of({"ansible_inventory_sources": ["/nowhere/hosts"]})["commit"] is None
    # A repository around it says nothing about a file that it does not track.
    assert run_of({"ansible_inventory_sources": [str(repository / "new.yml")]})["commit"] is None
    monkeypatch.chdir(repository)
    found = run_of({"ansible_inventory_sources": ["/nowhere/hosts", str(repository / "new.yml")]})
    assert found["commit"]
    assert found["inventory"] == ["/nowhere/hosts", "new.yml"]


@pytest.mark.parametrize("broken", ["missing", "failing", "hanging", "empty"])
def test_no_report_fails_for_git(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, broken: str
) -> None:
    (tmp_path / "bin").mkdir()
    if broken != "missing":
        script = {
            "failing": "echo fatal; exit 128",
            "hanging": "exec sleep 60",
            "empty": "echo '# branch.oid (initial)'",
        }
        (tmp_path / "bin" / "git").write_text(f"#!/bin/sh\nPATH=/bin:/usr/bin\n{script[broken]}\n")
        (tmp_path / "bin" / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr("ansible_collections.sovereign.vllm.plugins.plugin_utils._report.run._PATIENCE", 0.2)
    assert run_of({"ansible_inventory_sources": [str(repository / "hosts.yml")]})["commit"] is None


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (
            "https://ada:sk-7731@inventory.example.com/hosts?token=sk-7731#sk-7731",
            "https://inventory.example.com/hosts",
        ),
        ("https://sk-7731@x@inventory.example.com:8443/a@b", "https://inventory.example.com:8443/a@b"),
        ("edge1,edge2,", "a list of 2 hosts"),
        ("/etc/ansible/hosts", "/etc/ansible/hosts"),
    ],
)
def test_no_source_shows_a_password(source: str, shown: str) -> None:
    assert run_of({"ansible_inventory_sources": [source]})["inventory"] == [shown]


def test_a_job_of_awx_names_itself() -> None:
    awx = {
        "awx_job_id": 17,
        "awx_job_template_name": "Audit",
        "awx_inventory_name": "Sites",
        "awx_project_revision": "4f0c1d9a2b7e8d3c",
        "awx_user_name": "ada",
        "ansible_inventory_sources": ["/runner/inventory"],
    }
    found = run_of({**awx, **SECRETS})
    assert found["commit"] == {"id": "4f0c1d9a2b7e8d3c", "changed": None}
    assert run_words(found) == ["inventory Sites", "commit 4f0c1d9a2b7e", "job 17 of Audit", "by ada"]
    # A schedule has no user. That of the container would be wrong.
    assert run_of({"awx_job_id": 17})["user"] is None
    assert not [text for text in ("sk-run", "example.com", "runner") if text in json.dumps(found)]
    assert run_words(None) == []
