# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends an artifact of the controller to the node, if the node does not have it. The module does the rest."""

from __future__ import annotations

import os

from ansible import constants as C
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact_files import ArtifactError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._shipping import digest_of_valid, shippable


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None) -> dict:
        result = super().run(tmp, task_vars)
        if boolean(self._task.args.get("remote_src", False), strict=False) or not self._task.args.get("src"):
            return self._run_module(result, task_vars)
        try:
            source = self._find_needle("files", self._task.args["src"])
            # Kept for all hosts of this run.
            digest = digest_of_valid(source, self._task.args, C.DEFAULT_LOCAL_TMP)
            self._run_module(result, task_vars, src=None, checksum=None, digest=digest)
            if result.get("staged") is False and not self._task.check_mode:
                shipped = self._ship(shippable(source, digest, C.DEFAULT_LOCAL_TMP))
                self._run_module(result, task_vars, src=shipped, checksum=digest)
        except AnsibleConnectionFailure:
            raise  # Ansible's own UNREACHABLE
        except (AnsibleError, ArtifactError, ValueError) as error:
            raise AnsibleActionFail(str(error)) from None
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _run_module(self, result: dict, task_vars: dict, **args) -> dict:
        given = {name: value for name, value in {**self._task.args, **args}.items() if value is not None}
        result.update(self._execute_module(module_args=given, task_vars=task_vars))
        return result

    def _ship(self, file: str) -> str:
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        remote = self._connection._shell.join_path(self._connection._shell.tmpdir, os.path.basename(file))
        self._transfer_file(file, remote)
        self._fixup_perms2((self._connection._shell.tmpdir, remote))
        return remote
