# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell which run made a report: its inventory, the commit of the inventory, and who started it."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain

# In seconds. A report must not wait for a slow disk.
_PATIENCE = 10
# git sets these for its hooks, and they would name another repository.
_OF_HOOKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
# What can hold a password in an address: the user before the host, and everything after the path.
_PRIVATE = re.compile(r"(?<=://)[^/?#]*@|[?#].*")


def run_of(variables: Mapping) -> dict:
    """Return what is known of this run. AWX tells it in extra variables, of which only those of AWX are read.

    :param variables: the variables of the task.
    """
    awx = {name: _text(variables.get(f"awx_{name}")) for name in _OF_AWX}
    given = plain(variables.get("ansible_inventory_sources") or [])
    sources = [str(source) for source in ([given] if isinstance(given, str) else given)]
    revision = awx["project_revision"]
    return {
        "inventory": [awx["inventory_name"]] if awx["inventory_name"] else [_shown(source) for source in sources],
        "commit": {"id": revision, "changed": None} if revision else _commit([*sources, os.curdir]),
        "job": awx["job_id"],
        "template": awx["job_template_name"],
        "user": awx["user_name"] if awx["job_id"] else _user(),
        "limit": _text(variables.get("ansible_limit")),
        "check_mode": bool(variables.get("ansible_check_mode")),
    }


_OF_AWX = ("inventory_name", "project_revision", "job_id", "job_template_name", "user_name")


def _text(value: object) -> str | None:
    return str(plain(value)) if value else None


def _shown(source: str) -> str:
    if "://" in source:
        return _PRIVATE.sub("", source)
    if "," in source:
        return f"a list of {len([name for name in source.split(',') if name.strip()])} hosts"
    path = Path(source)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else source


def _user() -> str | None:
    # In a container, the user can have no name.
    with contextlib.suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    return None


def _commit(places: Iterable[str]) -> dict | None:
    """Return the commit of the first of these files and directories that git tracks, or None."""
    for place in map(os.path.realpath, places):
        # Not a Path: a list of hosts can be longer than the name of a file.
        directory = place if os.path.isdir(place) else os.path.dirname(place)
        if os.path.isdir(directory) and _git(directory, "ls-files", "--error-unmatch", "--", place) is not None:
            # New files are not looked for, since the report itself is often one.
            status = _git(directory, "status", "--porcelain=v2", "--branch", "--untracked-files=no") or ""
            found = re.match(r"# branch.oid ([0-9a-f]+)\n", status)
            changed = any(not line.startswith("#") for line in status.splitlines())
            return {"id": found[1], "changed": changed} if found else None
    return None


def _git(directory: str, *command: str) -> str | None:
    """Return the output, or None if git is missing, fails, does not trust the directory, or takes too long."""
    environment = {name: value for name, value in os.environ.items() if name not in _OF_HOOKS}
    with contextlib.suppress(OSError, subprocess.SubprocessError, UnicodeError):
        done = subprocess.run(
            ["git", "-C", directory, *command],
            env={**environment, "GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=True,
        )
        return done.stdout
    return None
