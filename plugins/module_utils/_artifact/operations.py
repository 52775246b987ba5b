# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations of the modules that read artifacts and change a store."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import ClassVar

from .._adapters.declaration import is_staged as is_declared_by_artifact
from .._adapters.declaration import read_adapters
from .._adapters.source import SOURCE_OPTIONS, check_source, is_remote, pin_of
from .._adapters.staged import folder_of, path_of
from .._adapters.values import checked_digest, checked_node_path
from .._errors import failure, quoted
from .._operations.operation import Operation
from .checks import CHECKS, refuse_revoked, refused, require_digest, untrusted_warnings, valid_download, valid_source
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
        checked_node_path("Option store", options["store"])
        checked_node_path("Option server_store", options["server_store"] or options["store"])
        wanted = _digest_in("digest", options)
        check_source(name, src, bool(wanted or checksum))
        pin = pin_of(src, checksum)
        given = wanted or pin
        in_store = staged_digest(options["store"], name, given) if given else None
        # Before a file is read or downloaded.
        refuse_revoked(name, (wanted, pin, in_store), options["revoked"])
        present = in_store if in_store and (src is None or self._is_trusted(options, in_store)) else None
        home = os.path.join(options["store"], folder_of(name))
        before = [os.path.join(home, one) for one in versions(home)]
        # What is verified at the source needs no second verification in the store.
        source: dict = {}
        if src is not None and not present:
            if not is_remote(src):
                source = valid_source(options)
            elif not check_mode:
                source = self._download(options, home, wanted, given or "")
        # An address is not read only to say what would happen. Until it is, what pins it stands for the digest.
        digest = present or source.get("digest") or in_store or given or ""
        if src is not None and not is_remote(src):
            require_digest(name, src, digest, wanted)
        target, found = version_directory(options["store"], name, digest), source
        if is_remote(src) and not present:
            staged, changed = bool(source), source.get("is_new", True)
        elif present or src is None or check_mode:
            checks = {**options, "trust": None} if source else options
            staged, in_place = _is_staged_and_valid(checks, target, digest, check_mode)
            changed, found = check_mode and not staged, source or in_place
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

    def _is_trusted(self, options: Mapping, digest: str) -> bool:
        """Return whether a version in the store has a signature that is trusted, if it needs one. The source may have one."""
        if not options["trust"]:
            return True
        target = version_directory(options["store"], options["name"], digest)
        try:
            _is_staged_and_valid(options, target, digest, True)
        except ArtifactError as error:
            if error.code != "untrusted":
                raise
            return False
        return True

    def _download(self, options: Mapping, home: str, wanted: str | None, given: str) -> dict:
        """Download and stage an artifact; return what was found in it, and as ``is_new`` whether it was written."""
        name, store = options["name"], options["store"]
        make_home(home, self._finish)

        def present() -> dict | None:
            digest = staged_digest(store, name, given)
            if not digest or not self._is_trusted(options, digest):
                return None
            _staged, found = _is_staged_and_valid(options, version_directory(store, name, digest), digest, False)
            return {**found, "is_new": False}

        def use(path: str) -> dict:
            found = valid_download(options, path, wanted)
            target = version_directory(store, name, found["digest"])
            is_new = stage(path, target, found["digest"], self._finish, options["max_size"])
            return {**found, "is_new": is_new}

        return download(name, options["src"], options, home, present, use, os.environ)

    def _finish(self, top: str) -> bool:
        """Set owner and mode of a directory and of everything in it; return whether that changes anything."""
        return bool([path for path in _everything_in(top) if self.set_attributes(path)])


#: What a declaration says of each artifact → the option of :class:`LoraArtifact` for it.
OF_EACH = {
    "name": "name",
    "src": "src",
    "digest": "digest",
    "remote_src": "remote_src",
    "checksum": "checksum",
    "trained_for": "base_model",
}


class LoraArtifacts(FileOperation):
    """Stage the artifacts of several adapters."""

    options: ClassVar = {
        "adapters": {"type": "list", "elements": "dict", "required": True},
        **{name: spec for name, spec in LoraArtifact.options.items() if name not in OF_EACH.values()},
    }
    rules: ClassVar = {"add_file_common_args": True}

    def run(self, options: Mapping, check_mode: bool) -> dict:
        """Run ``vllm_lora_artifacts``. Its action makes the result of the task of these results."""
        one = LoraArtifact()
        one.set_attributes = self.set_attributes
        results = [one.result(its, check_mode) for its in options_of_each(options)]
        return {"changed": any(result["changed"] for result in results), "artifacts": results}


def options_of_each(options: Mapping) -> list[dict]:
    """Return the options of :class:`LoraArtifact` for each adapter that is declared by its artifact.

    :param options: those of :class:`LoraArtifacts`.
    :raises VllmError: ``invalid_request`` if a declaration cannot be used.
    """
    shared = {name: value for name, value in options.items() if name != "adapters"}
    defaults = {option: LoraArtifact.options[option].get("default") for option in OF_EACH.values()}
    return [
        {**shared, **defaults, **{option: adapter[said] for said, option in OF_EACH.items() if said in adapter}}
        for adapter in filter(is_declared_by_artifact, read_adapters("adapters", options["adapters"]))
    ]


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


def _everything_in(top: str) -> Iterator[str]:
    for folder, _folders, files in os.walk(top):
        yield folder
        yield from (os.path.join(folder, name) for name in files)


def diff_of_versions(before: list[str], after: list[str]) -> dict:
    """Return the diff of the versions in a store."""
    titles = {"before_header": "versions in the store before", "after_header": "versions in the store after"}
    return {**titles, "before": "".join(f"{one}\n" for one in before), "after": "".join(f"{one}\n" for one in after)}
