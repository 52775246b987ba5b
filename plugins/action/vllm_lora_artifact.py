# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends an artifact of the controller to the node, if the node does not have it. The module does the rest."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ansible import constants as C
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.basic import FILE_COMMON_ARGUMENTS
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import checked_digest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.operations import (
    ARTIFACT_SPEC,
    ONE_SOURCE,
    checked_source,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, failure
from ansible_collections.sovereign.vllm.plugins.plugin_utils._settings import option_error, plain
from ansible_collections.sovereign.vllm.plugins.plugin_utils._shipping import digest_of_valid, plain_source, shippable

_VALIDATOR = ModuleArgumentSpecValidator(
    {**FILE_COMMON_ARGUMENTS, **ARTIFACT_SPEC}, mutually_exclusive=ONE_SOURCE, required_one_of=ONE_SOURCE
)


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None) -> dict:
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

    def _stage(self, options: Mapping, task_vars: dict) -> dict:
        if options["checksum"] is not None:
            # What the store has already needs no source, which may be on a disk that somebody has unplugged.
            checksum = checked_digest("checksum", options["checksum"])
            found = self._run_module(task_vars, src=None, checksum=None, digest=checksum)
            if found.get("failed") or found.get("staged"):
                return found
        checked_source(options["name"], options["src"], self._find)
        # Kept for all hosts of this run.
        source = self._find(options["src"])
        if options["decrypt"]:
            source = plain_source(source, self._loader, C.DEFAULT_LOCAL_TMP)
        digest = digest_of_valid(options["name"], source, options, C.DEFAULT_LOCAL_TMP)
        found = self._run_module(task_vars, src=None, digest=digest)
        if found.get("staged") is False and not self._task.check_mode:
            shipped = self._ship(shippable(source, digest, C.DEFAULT_LOCAL_TMP))
            return self._run_module(task_vars, src=shipped, checksum=options["checksum"] or digest)
        return found

    def _find(self, source: str) -> str | None:
        try:
            return self._find_needle("files", source)
        except AnsibleError:
            return None

    def _run_module(self, task_vars: dict, **args) -> dict:
        given = {name: value for name, value in {**self._task.args, **args}.items() if value is not None}
        return self._execute_module(module_args=given, task_vars=task_vars)

    def _ship(self, file: str) -> str:
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        remote = self._connection._shell.join_path(self._connection._shell.tmpdir, os.path.basename(file))
        try:
            self._transfer_file(file, remote)
            self._fixup_perms2((self._connection._shell.tmpdir, remote))
        except AnsibleConnectionFailure:
            raise  # Ansible's own UNREACHABLE
        except AnsibleError as error:
            hint = "see that ansible_remote_tmp of the node has room for it"
            raise VllmError("store_error", str(error), hint, f"send the artifact to {remote}") from None
        return remote
