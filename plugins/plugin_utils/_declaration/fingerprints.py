# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded fingerprints of each host: one file a host, in a directory of the controller such as a checkout of git.

A worker of Ansible has one host at a time, so no two write the same file. The fingerprint of a file stays as it is until the
adapter, its path or its server changes. So a diff shows only what has changed, never the noise of a measurement.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import is_staged
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.staged import folder_of
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, quoted
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.fingerprint import read_fingerprint
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.files import remove_file, write_file

_HINT = "restore the file, or remove it to record new fingerprints"


def file_of(directory: str, host: str) -> Path:
    """Return the file with the fingerprints of a host.

    :param directory: relative to where the playbook is started.
    """
    return Path(os.path.abspath(os.path.expanduser(directory)), f"{folder_of(host)}.json")


def read_expected(directory: str, host: str) -> dict[str, dict]:
    """Return what was recorded for a host: fingerprints by served name, the value of ``expect`` of ``vllm_smoke_test``.

    Together with ``expect_if: same_origin`` the module leaves out those of another path, base model or release, which nobody
    can compare. Without a file the result is empty.

    :raises VllmError: ``invalid_request`` if the file cannot be read, or holds something else.
    """
    file = file_of(directory, host)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        problem = f"{quoted(file)} cannot be read on the controller ({error.strerror})"
        raise refused(problem, "make it readable for the user who runs Ansible") from None
    except (ValueError, RecursionError):
        raise _damaged(file) from None
    if not isinstance(found, dict):
        raise _damaged(file)
    try:
        for name, fingerprint in found.items():
            read_fingerprint(name, fingerprint)
    except VllmError:
        raise _damaged(file) from None
    return found


def record(directory: str, host: str, fingerprints: Mapping[str, Mapping], check_mode: bool = False) -> dict:
    """Make the file of a host hold these fingerprints and no others. Without fingerprints, there is no file.

    :param fingerprints: by served name, as ``vllm_smoke_test`` returns them.
    :return: ``changed`` and ``diff``, as results of a task have them.
    :raises VllmError: ``invalid_request`` if the file cannot be written.
    """
    file = file_of(directory, host)
    if not fingerprints:
        return remove_file(file, check_mode)
    return write_file(file, json.dumps(fingerprints, indent=2, sort_keys=True) + "\n", check_mode)


def fingerprints_of_host(options: Mapping, host: str, check_mode: bool) -> dict:
    """Read the fingerprints of a host, and record new ones if there are any. Return the result of the task.

    :param options: ``directory``, ``adapters``, ``served_names``, ``taken``, ``restore``, plain data.
    :raises VllmError: ``invalid_request`` if the file cannot be read or written.
    """
    directory, names = options["directory"], options["served_names"]
    recorded = read_expected(directory, host)
    reloaded = [one["name"] for one in options["adapters"] if one.get("state") == "reloaded" and not is_staged(one)]
    renewed = {names.get(name, name) for name in reloaded}
    _require_writable(file_of(directory, host))
    written: dict = {"changed": False}
    if options["restore"] is not None:
        written = record(directory, host, options["restore"], check_mode)
    elif options["taken"] is not None:
        after = merged(recorded, options["taken"], names.values(), renewed)
        written = record(directory, host, after, check_mode)
    expected = {name: fingerprint for name, fingerprint in recorded.items() if name not in renewed}
    return {**written, "file": str(file_of(directory, host)), "recorded": recorded, "expect": expected}


def merged(
    recorded: Mapping[str, dict], taken: Mapping[str, dict], names: Iterable[str], renewed: Iterable[str]
) -> dict:
    """Return the fingerprints to record after a rollout.

    A recorded fingerprint stays while its adapter has the same path, base model and release, so that weights that change in
    small steps are found, too. It also stays if nothing was measured this time.

    :param names: the served names of the declared adapters. Others are left out.
    :param renewed: names whose recorded fingerprint does not count, since their weights were to change.
    """
    found = {}
    for name in names:
        old, new = recorded.get(name), taken.get(name)
        if old and new and (name in renewed or not _is_comparable(name, old, new)):
            old = None
        kept = old or new
        if kept:
            found[name] = kept
    return found


def _require_writable(file: Path) -> None:
    """Refuse a directory before the rollout that could not be written after it."""
    place = next(parent for parent in file.parents if parent.exists())
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        problem = f"{quoted(file)} cannot be written on the controller, since {quoted(place)} is no directory that this user may write to"
        raise refused(problem, "set lora_fingerprints to another directory")


def _is_comparable(name: str, old: dict, new: dict) -> bool:
    recorded, taken = read_fingerprint(name, old), read_fingerprint(name, new)
    return recorded.origin.is_same_as(taken.origin) and recorded.route == taken.route


def _damaged(file: Path) -> VllmError:
    return refused(f"{quoted(file)} has no usable fingerprints", _HINT)
