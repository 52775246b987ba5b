# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends the files of the agent's environment from the controller to a node that does not have it. The module does the rest."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ansible.plugins.action import ActionBase
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.environment import PACKAGES
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, failure, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.artifacts import run_file
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.files import sent, unusable_file

_STAMP_DIGITS = 12
_CHUNK = 1 << 20  # bytes
_COLLECTION = ("sovereign", "vllm")


class EnvironmentAction(ActionBase):
    argument_spec: ClassVar[dict[str, dict]] = {
        "directory": {"type": "str", "required": True},
        "wheels": {"type": "str"},
        "collection": {"type": "str"},
        "python": {"type": "str"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec(
            argument_spec=self.argument_spec, required_if=[("state", "present", ("wheels", "collection"))]
        )
        try:
            return {**result, **self._installed(given, task_vars)}
        except VllmError as error:
            return {**result, **failure(error), "failed": True}
        except OSError as error:
            return {**result, **failure(unusable_file(error)), "failed": True}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _installed(self, given: Mapping, task_vars: dict | None) -> dict:
        args = {name: given[name] for name in ("directory", "python", "state")}
        if given["state"] == "absent":
            return self._module(task_vars, **args)
        files = carried_files(given["wheels"], given["collection"])
        with run_file(json.dumps([str(file) for file in files]), ".tar") as archive:
            stamp = packed(files, archive)
        found = self._module(task_vars, **args, stamp=stamp)
        if found.get("failed") or found.get("ready") or self._task.check_mode:
            return found
        return self._module(task_vars, **args, stamp=stamp, archive=sent(self, archive, "the wheels"))

    def _module(self, task_vars: dict | None, **args: object) -> dict:
        given = {name: value for name, value in args.items() if value is not None}
        return self._execute_module("sovereign.vllm.vllm_agent_environment", given, task_vars=task_vars)


def carried_files(wheels: str, collection: str) -> list[Path]:
    """Return the wheels and the tarballs that make an environment.

    :param wheels: directory on the controller.
    :param collection: tarball of the collection, or a directory with such files.
    :raises VllmError: ``invalid_request`` if one of them holds too little.
    """
    folder = _path(wheels)
    found = sorted(folder.glob("*.whl"))
    names = {re.sub("[-_.]+", "-", file.name.split("-")[0]).lower() for file in found}
    missing = [name for name in PACKAGES if name not in names]
    if missing:
        problem = f"agent_wheels {quoted(folder)} has no wheel of {' or '.join(missing)}"
        raise refused(problem, f"fill it with: pip download --dest {folder} {' '.join(PACKAGES)} pip")
    place = _path(collection)
    tarballs = [place] if place.is_file() else sorted(place.glob("*.tar.gz"))
    if not any(is_collection(file) for file in tarballs):
        problem = f"agent_collection {quoted(place)} is not the tarball of sovereign.vllm, and has none"
        raise refused(problem, "give the file that ansible-galaxy collection download has written")
    return [*found, *tarballs]


def _path(text: str) -> Path:
    # Relative to where the playbook is started.
    return Path(text).expanduser().absolute()


def is_collection(tarball: Path) -> bool:
    """Return whether a file is the tarball of this collection."""
    try:
        with tarfile.open(tarball) as stream:
            content = stream.extractfile("MANIFEST.json")
            info = json.load(content)["collection_info"] if content else {}
            return (info["namespace"], info["name"]) == _COLLECTION
    except (OSError, KeyError, TypeError, ValueError, tarfile.TarError):
        return False


def packed(files: Sequence[Path], archive: str) -> str:
    """Pack the files once for all nodes of this run. Return the stamp of the environment that they make."""
    if not os.path.exists(archive):
        with tarfile.open(f"{archive}.part", "w", dereference=True) as stream:
            for file in files:
                stream.add(file, arcname=file.name, recursive=False)
        os.rename(f"{archive}.part", archive)
    whole = hashlib.sha256()
    for file in files:
        digest = hashlib.sha256()
        with file.open("rb") as content:
            while piece := content.read(_CHUNK):
                digest.update(piece)
        whole.update(f"{file.name}\0{digest.hexdigest()}\n".encode())
    return whole.hexdigest()[:_STAMP_DIGITS]
