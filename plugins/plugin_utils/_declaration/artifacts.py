# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads artifacts of the controller: decrypts and checks each of them once for all hosts of a run, and remembers digests."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.parsing.vault import b_HEADER, is_encrypted
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.source import is_remote
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.checks import (
    CHECKS,
    checked_source,
    digest_of_valid,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.files import ArtifactError
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import inspect_artifact, open_artifact
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.downloads import downloaded
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.known_digests import remember_digest

if TYPE_CHECKING:
    from ansible.parsing.dataloader import DataLoader

_VAULT_HINT = "give the vault password, as with --vault-password-file, or set decrypt to false"
#: The directory of one run, which Ansible removes at its end.
_RUN_DIRECTORY: str = C.DEFAULT_LOCAL_TMP  # type: ignore[attr-defined]  # Ansible adds its settings to this module.


def read_artifact(
    name: str, src: str, options: Mapping, find: Callable[[str], str | None], loader: DataLoader
) -> tuple[str, dict]:
    """Return the path of an artifact, decrypted, and what was found in it, such as its ``digest``.

    :param name: of the adapter.
    :param options: ``decrypt``, and those in :data:`CHECKS`, the policy of trust with the text of its keys. Files that do not
        meet these are refused. For an address also ``digest`` and those of ``SOURCE_OPTIONS``.
    :param find: returns the path that ``src`` means, or None if nothing is there. An address is downloaded instead.
    :raises VllmError: if it cannot be served.
    """
    if is_remote(src):
        # What was downloaded has been compared with the checksum.
        source = downloaded(name, src, options, _inspected)
        found = _inspected(source, {**options, "name": name, "checksum": None})
        digest_of_valid(name, source, found)
        return source, found
    source = checked_source(name, src, find)
    if options["decrypt"]:
        source = _decrypted(source, loader)
    found = _inspected(source, {**options, "name": name})
    remember_digest(options["checksum"], digest_of_valid(name, source, found))
    return source, found


def _decrypted(source: str, loader: DataLoader) -> str:
    """Return the artifact. If ansible-vault has encrypted files of it, return a decrypted copy.

    :raises VllmError: ``invalid_request`` if they cannot be decrypted.
    """
    if os.path.isfile(source):
        names = [b""]
    else:
        names = []
        with contextlib.suppress(ArtifactError), open_artifact(source) as listing:
            names = [*listing.files, *listing.evidence]
    paths = {name: os.path.join(os.fsencode(source), name) if name else os.fsencode(source) for name in names}
    if not any(map(_is_encrypted, paths.values())):
        return source
    with run_file(json.dumps(_state(source)), ".plain") as copy:
        if not os.path.exists(copy):
            part = os.fsencode(copy + ".part")
            for name, path in paths.items():
                target = os.path.join(part, name) if name else part
                os.makedirs(os.path.dirname(target), exist_ok=True)
                _copy_decrypted(path, target, loader)
            os.rename(part, copy)
    return copy


def _is_encrypted(path: bytes) -> bool:
    with contextlib.suppress(OSError), open(path, "rb") as stream:
        return is_encrypted(stream.read(len(b_HEADER)))
    return False


def _copy_decrypted(path: bytes, copy: bytes, loader: DataLoader) -> None:
    try:
        decrypted = loader.get_real_file(os.fsdecode(path))
    except AnsibleError as error:
        attempt = f"decrypt {quoted(os.fsdecode(path))}"
        raise VllmError("invalid_request", str(error).strip(), _VAULT_HINT, attempt) from None
    shutil.copyfile(decrypted, copy)
    loader.cleanup_tmp_file(decrypted)


def _inspected(source: str, options: Mapping) -> dict:
    """Return the result of ``inspect_artifact()``, which is kept for other hosts of this run.

    :raises VllmError: ``invalid_request`` if an option makes no sense.
    """
    checks = {option: options[option] for option in CHECKS}
    if checks["trust"]:
        # The entry of the policy depends on it.
        checks["name"] = options["name"]
    with run_file(json.dumps([_state(source), checks]), ".json") as file:
        if not os.path.exists(file):
            found = inspect_artifact(source, **checks)
            with open(file, "w", encoding="utf-8") as stream:
                json.dump(found, stream)
        with open(file, encoding="utf-8") as stream:
            return json.load(stream)


@contextlib.contextmanager
def run_file(key: str, ending: str) -> Iterator[str]:
    """Yield the path of the file for ``key`` in the directory of this run. Other workers of Ansible wait meanwhile."""
    file = os.path.join(_RUN_DIRECTORY, "vllm-" + hashlib.sha256(os.fsencode(key)).hexdigest() + ending)
    with open(file + ".lock", "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield file


def _state(source: str) -> list:
    """Return a value that changes when an artifact changes during a run."""
    found = []
    for folder, _folders, files in os.walk(source):
        found += [os.path.join(folder, name) for name in files]
    return [[path, *_stat(path)] for path in sorted(found) or [source]]


def _stat(path: str) -> tuple[int, int, int, int]:
    status = os.lstat(path)
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
