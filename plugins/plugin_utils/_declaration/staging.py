# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages artifacts of the controller. It packs each of them once for all hosts of a run."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Mapping

from ansible.module_utils.basic import FILE_COMMON_ARGUMENTS
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.source import check_source, is_remote, pin_of
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import checked_digest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.checks import (
    refuse_revoked,
    require_digest,
    untrusted_warnings,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import open_artifact
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.operations import ONE_SOURCE, LoraArtifact
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, failure, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.artifacts import read_artifact, run_file
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.known_digests import (
    known_digest,
    remember_digest,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.trust import trust_with_keys
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.files import finder, sent
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.progress import speaking
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import environment_set, option_error, plain

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
            if options["trust"]:
                options["trust"] = trust_with_keys("trust", options["trust"], finder(self))
            _check(options)
            staged = self._stage if options["src"] is not None and not options["remote_src"] else self._ask
            environment: dict = {}
            self._compute_environment_string(environment)
            with environment_set(environment):
                found = staged(options, task_vars)
            pin = pin_of(options["src"], options["checksum"])
            # A path that was read in check mode has been compared with the checksum, an address has not been read.
            if (
                pin
                and options["digest"] is None
                and (found.get("staged") or not is_remote(options["src"]))
                and "digest" in found
            ):
                remember_digest(pin.lower(), found["digest"])
            return {**result, **found}
        except VllmError as error:
            return {**result, **failure(error), "failed": True}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _ask(self, options: Mapping, task_vars: dict | None) -> dict:
        """Have the module do all of the work. If it downloads, it gets the secrets that the controller has."""
        if not is_remote(options["src"]):
            return self._run_module(task_vars, trust=options["trust"])
        credentials = [
            {**one, "secret": one["secret"] or os.environ.get(one["secret_env"] or "")}
            for one in options["source_credentials"]
        ]
        named = quoted(options["name"])
        site = str((task_vars or {}).get("inventory_hostname"))
        with speaking(site, f"staging adapter {named} from an address", "by the host itself"):
            return self._run_module(task_vars, trust=options["trust"], source_credentials=credentials)

    def _stage(self, options: Mapping, task_vars: dict | None) -> dict:
        wanted, checksum = (
            None if options[name] is None else checked_digest(name, options[name]) for name in ("digest", "checksum")
        )
        pin = pin_of(options["src"], checksum)
        given = wanted or (known_digest(pin) if pin else None) or pin
        is_download = is_remote(options["src"])
        missing: dict = {}
        if given:
            # A version in the store needs no source, which may be on a disk that is no longer there.
            in_store = {"src": None, "checksum": None, "digest": given}
            found = self._run_module(task_vars, **in_store, trust=options["trust"])
            if _cannot_verify(found):
                missing = found
            elif found.get("failed") or found.get("staged"):
                return found
            if self._task.check_mode and is_download:
                # Nothing is downloaded only to say what would happen.
                return self._run_module(task_vars, **in_store, trust=[]) if missing else found
        try:
            source, read = read_artifact(options["name"], options["src"], options, finder(self), self._loader)
        except VllmError as error:
            if missing and error.code == "artifact_not_found":
                return missing
            raise
        digest = read["digest"]
        require_digest(options["name"], source, digest, wanted)
        # It was verified here, so the node needs neither the keys nor the library.
        found = self._run_module(task_vars, src=None, digest=digest, trust=[])
        if found.get("staged") is False and not self._task.check_mode:
            there = sent(self, _packed(source, digest), "the artifact")
            # A download is sent as its files, whose digest is not the checksum of the archive.
            pinned = (None if is_download else checksum) or digest
            found = self._run_module(task_vars, src=there, checksum=pinned, trust=[])
            if is_download and found.get("staged"):
                # It finds the version, and remembers what pins the address.
                self._run_module(task_vars, digest=digest, trust=[])
        verified = {**untrusted_warnings(options["name"], read), "signature": read["signature"]}
        return found if found.get("failed") else {**found, **verified}

    def _run_module(self, task_vars: dict | None, **args: object) -> dict:
        given = {name: value for name, value in {**self._task.args, **args}.items() if value is not None}
        return self._execute_module(module_args=given, task_vars=task_vars)


def _check(options: Mapping) -> None:
    """Refuse an address that cannot be used, and what is revoked, before a byte is read, sent or downloaded.

    :raises VllmError: ``invalid_request``, ``revoked``.
    """
    name, src, digest, checksum = (options[option] for option in ("name", "src", "digest", "checksum"))
    check_source(name, src, bool(digest or checksum))
    pins = [one.lower() for one in (digest, pin_of(src, checksum)) if one]
    refuse_revoked(name, [*pins, *map(known_digest, pins)], options["revoked"])


def _cannot_verify(found: Mapping) -> bool:
    """Return whether the store may have the version without a signature that is trusted now. The source may have one."""
    return bool(found.get("failed")) and (found.get("error") or {}).get("code") in ("untrusted", "cryptography_missing")


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
        for name, size in {**listing.files, **listing.evidence}.items():
            entry = tarfile.TarInfo(os.fsdecode(name))
            entry.size = size
            with listing.open(name) as stream:
                archive.addfile(entry, stream)
    os.rename(file + ".part", file)
