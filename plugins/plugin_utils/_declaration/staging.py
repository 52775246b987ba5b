# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages artifacts. Those of the controller are packed once for all hosts of a run."""

from __future__ import annotations

import contextlib
import os
import tarfile
from collections.abc import Generator, Iterable, Mapping

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
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.operations import OF_EACH, options_of_each
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, failure, quoted
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.operation import Operation
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.artifacts import read_artifact, run_file
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.known_digests import (
    known_digest,
    remember_digest,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.trust import trust_with_keys
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.files import finder, sent
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.progress import speaking
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import environment_set, option_error, plain

#: Yields arguments for the module, gets the result of the module, and returns the result for the artifact.
Steps = Generator[dict, dict, dict]


class StagingAction(ActionBase):
    """Sends artifacts of the controller to the node if the node does not have them. The module does the rest."""

    #: The work of the module. Each action sets it.
    operation: Operation

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        try:
            options = self._options()
            environment: dict = {}
            self._compute_environment_string(environment)
            with environment_set(environment):
                return {**result, **self._staged(options, task_vars or {})}
        except VllmError as error:
            return {**result, **failure(error), "failed": True}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _options(self) -> dict:
        rules = {name: rule for name, rule in self.operation.rules.items() if name != "add_file_common_args"}
        validator = ModuleArgumentSpecValidator({**FILE_COMMON_ARGUMENTS, **self.operation.options}, **rules)
        validation = validator.validate(plain(self._task.args))
        if validation.errors.errors:
            raise option_error(self._task, validation.errors[0])
        options = validation.validated_parameters
        if options["trust"]:
            options["trust"] = trust_with_keys("trust", options["trust"], finder(self))
        return options

    def _staged(self, options: dict, task_vars: dict) -> dict:
        """Return the result of the task."""
        return self._stage_each([options], task_vars)[0]

    def _run_module(self, artifacts: list[dict], task_vars: dict) -> list[dict]:
        """Run the module with the arguments for each artifact, of which there is one."""
        return [self._execute_module(module_args=_set(args), task_vars=task_vars) for args in artifacts]

    def _stage_each(self, artifacts: list[dict], task_vars: dict) -> list[dict]:
        """Stage artifacts, and return their results. One that cannot be staged does not keep back the other ones.

        A module takes longer to start than to look for a version. Therefore the first questions are asked in one run. The rest is
        done for one artifact after the other, since each that is sent takes room on the node twice.

        :param artifacts: the options of each.
        """
        steps = [self._stage(options) for options in artifacts]
        begun = [_next(its) for its in steps]
        asked = [(options, args) for options, (args, _result) in zip(artifacts, begun, strict=True) if args is not None]
        answers = iter(self._ask(asked, task_vars))
        results = []
        for options, its, (args, result) in zip(artifacts, steps, begun, strict=True):
            answer = next(answers) if args is not None else None
            while args is not None:
                args, result = _next(its, answer)
                if args is not None:
                    (answer,) = self._ask([(options, args)], task_vars)
            results.append(result)
        return results

    def _ask(self, questions: list[tuple[dict, dict]], task_vars: dict) -> list[dict]:
        """Run the module for these artifacts, and return a result for each.

        :param questions: the options of the artifact, and the arguments that differ from them.
        """
        if not questions:
            return []
        downloads = [options["name"] for options, _args in questions if _is_downloaded_by_host(options)]
        site, named = str(task_vars.get("inventory_hostname")), ", ".join(map(quoted, downloads))
        spoken = speaking(site, f"staging adapter {named} from an address", "by the host itself")
        with spoken if downloads else contextlib.nullcontext():
            return self._run_module([{**options, **args} for options, args in questions], task_vars)

    def _stage(self, options: Mapping) -> Steps:
        """Stage an artifact."""
        _check(options)
        is_on_controller = options["src"] is not None and not options["remote_src"]
        found = yield from self._send(options) if is_on_controller else self._have_staged(options)
        pin = pin_of(options["src"], options["checksum"])
        # A path that was read in check mode has been compared with the checksum, an address has not been read.
        was_read = found.get("staged") or not is_remote(options["src"])
        if pin and options["digest"] is None and was_read and "digest" in found:
            remember_digest(pin.lower(), found["digest"])
        return found

    def _have_staged(self, options: Mapping) -> Steps:
        """Have the module do all of the work. If it downloads, it gets the secrets that the controller has."""
        if not _is_downloaded_by_host(options):
            return (yield {})
        credentials = [
            {**one, "secret": one["secret"] or os.environ.get(one["secret_env"] or "")}
            for one in options["source_credentials"]
        ]
        return (yield {"source_credentials": credentials})

    def _send(self, options: Mapping) -> Steps:
        """Send the artifact if the node does not have it."""
        name, src = options["name"], options["src"]
        wanted, checksum = (
            None if options[option] is None else checked_digest(option, options[option])
            for option in ("digest", "checksum")
        )
        pin = pin_of(src, checksum)
        given = wanted or (known_digest(pin) if pin else None) or pin
        is_download = is_remote(src)
        missing: dict = {}
        if given:
            # A version in the store needs no source, which may be on a disk that is no longer there.
            in_store = {"src": None, "checksum": None, "digest": given}
            found = yield in_store
            if _cannot_verify(found):
                missing = found
            elif found.get("failed") or found.get("staged"):
                return found
            if self._task.check_mode and is_download:
                # Nothing is downloaded only to say what would happen.
                return (yield {**in_store, "trust": []}) if missing else found
        try:
            source, read = read_artifact(name, src, options, finder(self), self._loader)
        except VllmError as error:
            if missing and error.code == "artifact_not_found":
                return missing
            raise
        digest = read["digest"]
        require_digest(name, source, digest, wanted)
        # It was verified here, so the node needs neither the keys nor the library.
        verified = {"trust": [], "digest": digest}
        found = yield {**verified, "src": None}
        if found.get("staged") is False and not self._task.check_mode:
            there = sent(self, _packed(source, digest), "the artifact")
            # A download is sent as its files, whose digest is not the checksum of the archive.
            pinned = (None if is_download else checksum) or digest
            found = yield {"trust": [], "src": there, "checksum": pinned}
            self._remove_tmp_path(self._connection._shell.tmpdir)
            if is_download and found.get("staged"):
                # It finds the version, and remembers what pins the address.
                yield verified
        told = {**untrusted_warnings(name, read), "signature": read["signature"]}
        return found if found.get("failed") else {**found, **told}


class StagingActionForAll(StagingAction):
    """The same for several artifacts of one node."""

    def _staged(self, options: dict, task_vars: dict) -> dict:
        artifacts = options_of_each(options)
        return _result_of_all(artifacts, self._stage_each(artifacts, task_vars))

    def _run_module(self, artifacts: list[dict], task_vars: dict) -> list[dict]:
        """Run the module once for all that have the same other arguments, such as ``trust``."""
        its_own = OF_EACH.values()
        others = [{name: value for name, value in args.items() if name not in its_own} for args in artifacts]
        results: dict[int, dict] = {}
        for number, its in enumerate(others):
            if number in results:
                continue
            alike = [other for other, one in enumerate(others) if one == its]
            adapters = [_set({said: artifacts[one][option] for said, option in OF_EACH.items()}) for one in alike]
            found = self._execute_module(module_args={**_set(its), "adapters": adapters}, task_vars=task_vars)
            # A module that did not come so far has failed for all.
            answers: list[dict] = found.get("artifacts") or [found] * len(alike)  # type: ignore[assignment]
            results.update(zip(alike, answers, strict=True))
        return [results[number] for number in range(len(artifacts))]


def _next(steps: Steps, answer: dict | None = None) -> tuple[dict | None, dict]:
    """Go on with an artifact. Return the next arguments for the module, or None and the result."""
    try:
        return steps.send(answer), {}  # type: ignore[arg-type]  # None begins.
    except StopIteration as end:
        return None, end.value
    except VllmError as error:
        return None, {**failure(error), "failed": True}


def _set(args: Mapping) -> dict:
    return {name: value for name, value in args.items() if value is not None}


def _result_of_all(artifacts: Iterable[Mapping], results: Iterable[dict]) -> dict:
    """Return the result of a task from those for its artifacts. It has failed if one of these has."""
    found = [{"name": artifact["name"], **result} for artifact, result in zip(artifacts, results, strict=True)]
    failed = [one for one in found if one.get("failed")]
    told: dict = {"warnings": [text for one in found for text in one.pop("warnings", ())]}
    if failed:
        told.update(failed=True, msg=" ".join(one["msg"] for one in failed))
        told["error"] = failed[0].get("error")
    return {
        "changed": any(one.get("changed") for one in found),
        "artifacts": found,
        "diff": [one.pop("diff") for one in found if "diff" in one],
        **told,
    }


def _is_downloaded_by_host(options: Mapping) -> bool:
    return options["remote_src"] and is_remote(options["src"])


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
