# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Artifacts of the controller, read and packed once for all hosts of a run."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tarfile
from collections.abc import Iterator, Mapping

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact import inspect_artifact, open_artifact
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact_files import ArtifactError
from ansible_collections.sovereign.vllm.plugins.module_utils._placing import CHECKS


def digest_of_valid(source: str, options: Mapping, directory: str) -> str:
    """Return the digest of an artifact that has no problems.

    :param options: of the module ``vllm_lora_artifact``, as written in the task.
    :param directory: where to keep what was found out, for other hosts that get the same artifact in this run.
    :raises ArtifactError: the problems.
    :raises ValueError: when an option makes no sense.
    """
    validation = ArgumentSpecValidator(CHECKS).validate({name: options[name] for name in CHECKS if name in options})
    if validation.error_messages:
        raise ValueError(validation.errors.msg)
    checks = validation.validated_parameters
    with _kept(directory, json.dumps([_state(source), checks]), ".json") as file:
        if not os.path.exists(file):
            found = inspect_artifact(source, **checks)
            with open(file, "w", encoding="utf-8") as stream:
                json.dump(found, stream)
        with open(file, encoding="utf-8") as stream:
            found = json.load(stream)
    if not found["valid"]:
        raise ArtifactError(" ".join(found["problems"]))
    return found["digest"]


def shippable(source: str, digest: str, directory: str) -> str:
    """Return a file that holds the artifact: the archive itself, or one in ``directory`` with what lies in its source.

    :raises ArtifactError: when the source cannot be read.
    """
    if os.path.isfile(source):
        return source
    with _kept(directory, source + digest, ".tar") as file:
        if not os.path.exists(file):
            _pack(source, file)
    return file


def _pack(source: str, file: str) -> None:
    with open_artifact(source) as listing, tarfile.open(file + ".part", "w", format=tarfile.PAX_FORMAT) as archive:
        for name, size in listing.files.items():
            entry = tarfile.TarInfo(os.fsdecode(name))
            entry.size = size
            with listing.open(name) as stream:
                archive.addfile(entry, stream)
    os.rename(file + ".part", file)


@contextlib.contextmanager
def _kept(directory: str, key: str, ending: str) -> Iterator[str]:
    """Yield the path for what belongs to ``key``, while no other worker of Ansible is there."""
    file = os.path.join(directory, "vllm-" + hashlib.sha256(os.fsencode(key)).hexdigest() + ending)
    with open(file + ".lock", "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield file


def _state(source: str) -> list:
    """Return what changes when somebody changes the artifact during a run."""
    found = []
    for folder, _folders, files in os.walk(source):
        found += [os.path.join(folder, name) for name in files]
    return [[path, *_stat(path)] for path in sorted(found) or [source]]


def _stat(path: str) -> tuple:
    status = os.lstat(path)
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
