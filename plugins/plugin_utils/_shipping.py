# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Artifacts of the controller, decrypted, read and packed once for all hosts of a run."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ansible.errors import AnsibleError
from ansible.parsing.vault import b_HEADER, is_encrypted
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.files import ArtifactError
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import inspect_artifact, open_artifact
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.operations import CHECKS, refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, quoted

if TYPE_CHECKING:
    from ansible.parsing.dataloader import DataLoader

_VAULT_HINT = "give the vault password, as with --vault-password-file, or set decrypt to false"


def plain_source(source: str, loader: DataLoader, directory: str) -> str:
    """Return the artifact, or a copy of it in ``directory`` if files of it are encrypted by ansible-vault.

    :raises VllmError: ``invalid_request`` when they cannot be decrypted.
    """
    if os.path.isfile(source):
        names = [b""]
    else:
        names = []
        with contextlib.suppress(ArtifactError), open_artifact(source) as listing:
            names = list(listing.files)
    places = {name: os.path.join(os.fsencode(source), name) if name else os.fsencode(source) for name in names}
    if not any(map(_is_vaulted, places.values())):
        return source
    with _kept(directory, json.dumps(_state(source)), ".plain") as copy:
        if not os.path.exists(copy):
            part = os.fsencode(copy + ".part")
            for name, path in places.items():
                mine = os.path.join(part, name) if name else part
                os.makedirs(os.path.dirname(mine), exist_ok=True)
                _copy_decrypted(path, mine, loader)
            os.rename(part, copy)
    return copy


def _is_vaulted(path: bytes) -> bool:
    with contextlib.suppress(OSError), open(path, "rb") as stream:
        return is_encrypted(stream.read(len(b_HEADER)))
    return False


def _copy_decrypted(path: bytes, copy: bytes, loader: DataLoader) -> None:
    try:
        plain = loader.get_real_file(os.fsdecode(path))
    except AnsibleError as error:
        reason = str(error).strip().rstrip(".")
        attempt = f"decrypt {quoted(os.fsdecode(path))}"
        raise VllmError("invalid_request", reason, _VAULT_HINT, attempt) from None
    shutil.copyfile(plain, copy)
    loader.cleanup_tmp_file(plain)


def digest_of_valid(name: str, source: str, checks: Mapping, directory: str) -> str:
    """Return the digest of an artifact that has no problems.

    :param name: of the adapter.
    :param checks: the options of ``vllm_lora_artifact`` that say what the artifact has to be.
    :param directory: where to keep what was found out, for other hosts that get the same artifact in this run.
    :raises VllmError: the problems, or ``invalid_request`` when an option makes no sense.
    """
    checks = {option: checks[option] for option in CHECKS}
    with _kept(directory, json.dumps([_state(source), checks]), ".json") as file:
        if not os.path.exists(file):
            found = inspect_artifact(source, **checks)
            with open(file, "w", encoding="utf-8") as stream:
                json.dump(found, stream)
        with open(file, encoding="utf-8") as stream:
            found = json.load(stream)
    if not found["valid"]:
        raise refused(f"stage adapter {quoted(name)} from", source, found["problems"])
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
