# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages artifacts of the controller. It decrypts, checks and packs each of them once for all hosts of a run."""

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

from ansible import constants as C
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.basic import FILE_COMMON_ARGUMENTS
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible.parsing.vault import b_HEADER, is_encrypted
from ansible.plugins.action import ActionBase
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.files import ArtifactError
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import (
    checked_digest,
    inspect_artifact,
    open_artifact,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.operations import (
    CHECKS,
    ONE_SOURCE,
    LoraArtifact,
    checked_source,
    digest_of_valid,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, failure, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._settings import option_error, plain

if TYPE_CHECKING:
    from ansible.parsing.dataloader import DataLoader

_VALIDATOR = ModuleArgumentSpecValidator(
    {**FILE_COMMON_ARGUMENTS, **LoraArtifact.options}, mutually_exclusive=ONE_SOURCE, required_one_of=ONE_SOURCE
)
_VAULT_HINT = "give the vault password, as with --vault-password-file, or set decrypt to false"
#: The directory of one run, which Ansible removes at its end.
_RUN_DIRECTORY: str = C.DEFAULT_LOCAL_TMP  # type: ignore[attr-defined]  # Ansible adds its settings to this module.


class StagingAction(ActionBase):
    """Sends an artifact of the controller to the node if the node does not have it. The module does the rest."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        try:
            validation = _VALIDATOR.validate(plain(self._task.args))
            if validation.errors.errors:
                raise option_error(self._task, validation.errors[0])
            options = validation.validated_parameters
            if options["remote_src"] or options["src"] is None:
                return {**result, **self._run_module(task_vars)}
            return {**result, **self._stage(options, task_vars)}
        except VllmError as error:
            return {**result, **failure(error), "failed": True}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _stage(self, options: Mapping, task_vars: dict | None) -> dict:
        if options["checksum"] is not None:
            # A version in the store needs no source, which may be on a disk that is no longer there.
            checksum = checked_digest("checksum", options["checksum"])
            found = self._run_module(task_vars, src=None, checksum=None, digest=checksum)
            if found.get("failed") or found.get("staged"):
                return found
        source = checked_source(options["name"], options["src"], self._find)
        if options["decrypt"]:
            source = _decrypted(source, self._loader)
        digest = digest_of_valid(options["name"], source, _inspected(source, options))
        found = self._run_module(task_vars, src=None, digest=digest)
        if found.get("staged") is False and not self._task.check_mode:
            sent = self._send(_packed(source, digest))
            return self._run_module(task_vars, src=sent, checksum=options["checksum"] or digest)
        return found

    def _find(self, source: str) -> str | None:
        try:
            return self._find_needle("files", source)
        except AnsibleError:
            return None

    def _run_module(self, task_vars: dict | None, **args: object) -> dict:
        given = {name: value for name, value in {**self._task.args, **args}.items() if value is not None}
        return self._execute_module(module_args=given, task_vars=task_vars)

    def _send(self, file: str) -> str:
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        remote = self._connection._shell.join_path(self._connection._shell.tmpdir, os.path.basename(file))
        try:
            self._transfer_file(file, remote)
            self._fixup_perms2((self._connection._shell.tmpdir, remote))
        except AnsibleConnectionFailure:
            raise  # Ansible reports it as UNREACHABLE.
        except AnsibleError as error:
            hint = "check that ansible_remote_tmp of the node has room for it"
            raise VllmError("store_error", str(error), hint, f"send the artifact to {remote}") from None
        return remote


def _decrypted(source: str, loader: DataLoader) -> str:
    """Return the artifact. If ansible-vault has encrypted files of it, return a decrypted copy.

    :raises VllmError: ``invalid_request`` if they cannot be decrypted.
    """
    if os.path.isfile(source):
        names = [b""]
    else:
        names = []
        with contextlib.suppress(ArtifactError), open_artifact(source) as listing:
            names = list(listing.files)
    paths = {name: os.path.join(os.fsencode(source), name) if name else os.fsencode(source) for name in names}
    if not any(map(_is_encrypted, paths.values())):
        return source
    with _run_file(json.dumps(_state(source)), ".plain") as copy:
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
    with _run_file(json.dumps([_state(source), checks]), ".json") as file:
        if not os.path.exists(file):
            found = inspect_artifact(source, **checks)
            with open(file, "w", encoding="utf-8") as stream:
                json.dump(found, stream)
        with open(file, encoding="utf-8") as stream:
            return json.load(stream)


def _packed(source: str, digest: str) -> str:
    """Return a file that holds the artifact: the archive itself, or one of the directory.

    :raises ArtifactError: if the source cannot be read.
    """
    if os.path.isfile(source):
        return source
    with _run_file(source + digest, ".tar") as file:
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
def _run_file(key: str, ending: str) -> Iterator[str]:
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
