# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages artifacts of the controller. It packs each of them once for all hosts of a run."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Mapping

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.basic import FILE_COMMON_ARGUMENTS
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import checked_digest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import open_artifact
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.operations import (
    ONE_SOURCE,
    LoraArtifact,
    require_digest,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, failure
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.artifacts import (
    read_artifact,
    remember_digest,
    run_file,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import option_error, plain

_VALIDATOR = ModuleArgumentSpecValidator({**FILE_COMMON_ARGUMENTS, **LoraArtifact.options}, required_one_of=ONE_SOURCE)


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
            staged = self._stage if options["src"] is not None and not options["remote_src"] else self._ask
            found = staged(options, task_vars)
            if options["checksum"] and options["digest"] is None and "digest" in found:
                # The artifact, or the version in the store, has been compared with the checksum.
                remember_digest(options["checksum"].lower(), found["digest"])
            return {**result, **found}
        except VllmError as error:
            return {**result, **failure(error), "failed": True}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _ask(self, _options: Mapping, task_vars: dict | None) -> dict:
        return self._run_module(task_vars)

    def _stage(self, options: Mapping, task_vars: dict | None) -> dict:
        wanted, checksum = (
            None if options[name] is None else checked_digest(name, options[name]) for name in ("digest", "checksum")
        )
        if wanted or checksum:
            # A version in the store needs no source, which may be on a disk that is no longer there.
            found = self._run_module(task_vars, src=None, checksum=None, digest=wanted or checksum)
            if found.get("failed") or found.get("staged"):
                return found
        source, digest = read_artifact(options["name"], options["src"], options, self._find, self._loader)
        require_digest(options["name"], source, digest, wanted)
        found = self._run_module(task_vars, src=None, digest=digest)
        if found.get("staged") is False and not self._task.check_mode:
            sent = self._send(_packed(source, digest))
            return self._run_module(task_vars, src=sent, checksum=checksum or digest)
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


def _packed(source: str, digest: str) -> str:
    """Return a file that holds the artifact: the archive itself, or one of the directory.

    :raises ArtifactError: if the source cannot be read.
    """
    if os.path.isfile(source):
        return source
    with run_file(source + digest, ".tar") as file:
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
