# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations of the modules that read artifacts and change a store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar

from .._adapters.revocation import revoked_digests
from .._adapters.source import SOURCE_OPTIONS, check_source, is_remote, pin_of, remote_source
from .._adapters.staged import folder_of, path_of
from .._adapters.values import checked_digest
from .._errors import VllmError, failure, invalid_option, printable, quoted
from .._operations.operation import Operation
from .files import ArtifactError
from .inspection import inspect_artifact
from .source import download
from .stage import confirm_staged, is_staged, make_home, stage
from .store import (
    remember_checksum,
    staged_digest,
    store_error,
    version_directory,
    versions,
)
from .trust import TRUST_OPTIONS

#: The requirements on an artifact. The controller checks an artifact that lies there.
CHECKS: dict = {
    "checksum": {"type": "str"},
    "max_size": {"type": "bytes", "default": "16G"},
    "max_rank": {"type": "int"},
    "base_model": {"type": "str"},
    "allow_pickle": {"type": "bool", "default": False},
    **TRUST_OPTIONS,
}
ONE_SOURCE = [("src", "digest")]


class FileOperation(Operation):
    """The work of a module on files of its host."""

    def result(self, options: Mapping, check_mode: bool) -> dict:
        """Return the result as a task reports it."""
        try:
            return super().result(options, check_mode)
        except OSError as error:
            return {**failure(store_error(error.filename, "read", error)), "failed": True}


class LoraArtifactInfo(FileOperation):
    """Inspect an artifact."""

    options: ClassVar = {"path": {"type": "path", "required": True}, "name": {"type": "str"}, **CHECKS}
    rules: ClassVar = {"required_by": {"trust": ("name",)}}

    def run(self, options: Mapping, check_mode: bool) -> dict:
        """Run ``vllm_lora_artifact_info``."""
        found = inspect_artifact(**options)
        # `failed_when` shows the message.
        message = {} if found["valid"] else {"msg": refused("serve", options["path"], found["problems"]).message}
        return {"changed": False, **found, **message, **untrusted_warnings(options["path"], found)}


class LoraArtifact(FileOperation):
    """Stage an artifact."""

    #: Without owner and group, which are Ansible's own.
    options: ClassVar = {
        "name": {"type": "str", "required": True},
        "src": {"type": "path"},
        "digest": {"type": "str"},
        "remote_src": {"type": "bool", "default": False},
        "decrypt": {"type": "bool", "default": True},
        "store": {"type": "path", "required": True},
        "server_store": {"type": "str"},
        **CHECKS,
        **SOURCE_OPTIONS,
        "mode": {"type": "raw", "default": "u=rwX,go=rX"},
    }
    rules: ClassVar = {"required_one_of": ONE_SOURCE, "add_file_common_args": True}

    def run(self, options: Mapping, check_mode: bool) -> dict:
        """Run ``vllm_lora_artifact``.

        A version in the store needs no source if its digest or the checksum of its archive is given. Without ``src`` the module
        only looks for it.

        :raises VllmError: nothing of the artifact is staged then.
        """
        src, name, checksum = options["src"], options["name"], _digest_in("checksum", options)
        wanted = _digest_in("digest", options)
        check_source(name, src, bool(wanted or checksum))
        pin = pin_of(src, checksum)
        given = wanted or pin
        home = os.path.join(options["store"], folder_of(name))
        before = [os.path.join(home, one) for one in versions(home)]
        refuse_revoked(name, (wanted, checksum), options["revoked"])
        present = staged_digest(options["store"], name, given) if given else None
        if present and src is not None:
            present = self._if_trusted(options, present)
        if given and not present and is_remote(src) and not check_mode:
            found, changed = self._download(options, home, wanted, given)
            digest = found["digest"]
            target, staged = version_directory(options["store"], name, digest), True
        else:
            # An address is not read only to say what would happen. Until it is, what pins it stands for the digest.
            is_read = not (present or (given and (src is None or is_remote(src))))
            # What is verified at the source needs no second verification in the store.
            found = _valid_source(options) if is_read else {}
            digest = present or found.get("digest") or given or ""
            refuse_revoked(name, (digest,), options["revoked"])
            if src is not None and not is_remote(src):
                require_digest(name, src, digest, wanted)
            target = version_directory(options["store"], name, digest)
            if present or src is None or check_mode:
                checks = {**options, "trust": None} if found else options
                staged, in_store = _is_staged_and_valid(checks, target, digest, check_mode)
                changed, found = check_mode and not staged, found or in_store
            else:
                changed = stage(src, target, digest, self._finish, options["max_size"])
                staged = True
        if staged:
            changed = self._finish(target) or changed
            if pin and pin != digest and not check_mode:
                remember_checksum(target, pin, digest)
        return {
            "changed": changed,
            "staged": staged,
            "digest": digest,
            "path": target,
            "server_path": path_of(options["server_store"] or options["store"], name, digest),
            "signature": found.get("signature"),
            "diff": diff_of_versions(before, sorted({*before, target}) if staged or check_mode else before),
            **untrusted_warnings(name, found),
        }

    def _download(self, options: Mapping, home: str, wanted: str | None, given: str) -> tuple[dict, bool]:
        """Download and stage an artifact; return what was found in it, and whether it was written."""
        name, store = options["name"], options["store"]
        make_home(home, self._finish)

        def present() -> tuple[dict, bool] | None:
            digest = staged_digest(store, name, given)
            return ({"digest": digest}, False) if digest and self._if_trusted(options, digest) else None

        def use(path: str) -> tuple[dict, bool]:
            found = inspected_download(options, path, wanted)
            target = version_directory(store, name, found["digest"])
            return found, stage(path, target, found["digest"], self._finish, options["max_size"])

        return download(name, options["src"], options, home, present, use, os.environ)

    def _if_trusted(self, options: Mapping, digest: str) -> str | None:
        """Return the digest of a version in the store, or None if its signature is not there: it may be at the source."""
        target = version_directory(options["store"], options["name"], digest)
        try:
            _is_staged_and_valid(options, target, digest, True)
        except ArtifactError as error:
            if error.code != "untrusted":
                raise
            return None
        return digest

    def _finish(self, top: str) -> bool:
        """Set owner and mode of a directory and of everything in it; return whether that changes anything."""
        return bool([path for path in _everything_in(top) if self.set_attributes(path)])


def refused(verb: str, path: str, problems: Iterable[str], code: str | None = None) -> ArtifactError:
    """Return the error for an artifact that has problems.

    :param verb: a verb phrase that ends before the path, such as ``stage adapter 'sql' from``.
    :param code: of the error.
    """
    return ArtifactError(f"Could not {verb} {quoted(path)}: {' '.join(problems)}", code or "artifact_invalid")


def refuse_revoked(name: str, digests: Iterable[str | None], revoked: object) -> None:
    """Raise ArtifactError if one of the digests of an artifact is revoked, before its files are read."""
    for digest in {one for one in digests if one} & revoked_digests("revoked", revoked):
        sentence = f"Could not stage adapter {quoted(name)}: the digest {digest} is revoked, so use another version."
        raise ArtifactError(sentence, "revoked")


def untrusted_warnings(which: str, found: Mapping) -> dict:
    """Return the warning for an artifact that is accepted although its signature proves nothing."""
    signature = found.get("signature") or {}
    if not signature.get("problem") or signature["mode"] == "enforce":
        return {}
    return {
        "warnings": [f"{printable(which)} is not trusted, and the mode of its policy is warn: {signature['problem']}"]
    }


def _existing(path: str) -> str | None:
    return path if os.path.lexists(path) else None


def checked_source(name: str, src: str, find: Callable[[str], str | None] = _existing) -> str:
    """Return the path of an artifact.

    :param find: returns the path that an option means, or None if nothing is there.
    :raises VllmError: ``invalid_request``, or ``artifact_not_found`` if nothing is there.
    """
    if not src or "\0" in src:
        raise invalid_option("src", f"of adapter {quoted(name)} is not a path", "give a directory or an archive")
    found = find(src)
    if found is None:
        hint = "copy it there, or give a checksum that the store has, which needs no source"
        problem = f"there is no directory or archive {quoted(src)}"
        raise VllmError("artifact_not_found", problem, hint, f"stage adapter {quoted(name)}")
    return found


def digest_of_valid(name: str, source: str, found: Mapping) -> str:
    """Return the digest of an artifact that has no problems.

    :param found: the result of ``inspect_artifact()``.
    :raises ArtifactError: the problems.
    """
    if not found["valid"]:
        raise refused(f"stage adapter {quoted(name)} from", source, found["problems"], found["code"])
    return found["digest"]


def inspected_download(options: Mapping, path: str, wanted: str | None) -> dict:
    """Return what was found in a downloaded artifact that has no problems, such as its ``digest``.

    :param options: ``name``, ``src``, and those in :data:`CHECKS`.
    :param path: of the archive or layout that was downloaded.
    :param wanted: the digest that it must have; None for any.
    :raises ArtifactError: the problems.
    """
    source = remote_source(options["src"]).shown
    found = inspect_artifact(path, **{name: options[name] for name in (*CHECKS, "name")})
    if found["digest"]:
        require_digest(options["name"], source, found["digest"], wanted)
    digest_of_valid(options["name"], source, found)
    return found


def require_digest(name: str, source: str, found: str, wanted: str | None) -> None:
    """Raise ArtifactError if the artifact has another digest than the wanted one. None is any."""
    if wanted and found != wanted:
        problem = f"The digest is {found}, not {wanted}: use the files that have this digest, or correct the digest."
        raise refused(f"stage adapter {quoted(name)} from", source, [problem])


def _digest_in(option: str, options: Mapping) -> str | None:
    return None if options[option] is None else checked_digest(option, options[option])


def _is_staged_and_valid(options: Mapping, target: str, digest: str, check_mode: bool) -> tuple[bool, dict]:
    """Return whether the artifact is staged, and what was found there. It is checked too, because the options can have
    changed since."""
    checks = {name: options[name] for name in (*CHECKS, "name") if name != "checksum"}
    found: dict = {}

    def read(path: str) -> str | None:
        found.update(inspect_artifact(path, **checks))
        return found["digest"]

    staged = (is_staged if check_mode else confirm_staged)(target, digest, read)
    if found.get("problems"):
        raise refused(f"use adapter {quoted(options['name'])} from", target, found["problems"], found["code"])
    return staged, found


def _valid_source(options: Mapping) -> dict:
    """Return what was found in an artifact that has no problems."""
    source = checked_source(options["name"], options["src"])
    found = inspect_artifact(source, **{name: options[name] for name in (*CHECKS, "name")})
    digest_of_valid(options["name"], source, found)
    return found


def _everything_in(top: str) -> Iterator[str]:
    for folder, _folders, files in os.walk(top):
        yield folder
        yield from (os.path.join(folder, name) for name in files)


def diff_of_versions(before: list[str], after: list[str]) -> dict:
    """Return the diff of the versions in a store."""
    titles = {"before_header": "versions in the store before", "after_header": "versions in the store after"}
    return {**titles, "before": "".join(f"{one}\n" for one in before), "after": "".join(f"{one}\n" for one in after)}
