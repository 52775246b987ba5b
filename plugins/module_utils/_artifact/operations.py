# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the modules that read artifacts and change a store, and their results."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar

from .._errors import VllmError, failure, invalid_option, quoted
from .._operations.operation import Operation
from .files import ArtifactError
from .inspection import checked_digest, inspect_artifact
from .stage import is_staged, is_still_staged, remember, stage
from .store import (
    folder_of,
    locked,
    removable_versions,
    remove_version,
    staged_digest,
    store_error,
    version_directory,
    versions,
)

#: The options that say what an artifact has to be. Those of the controller are checked there.
CHECKS: dict = {
    "checksum": {"type": "str"},
    "max_size": {"type": "bytes", "default": "16G"},
    "max_rank": {"type": "int"},
    "base_model": {"type": "str"},
    "allow_pickle": {"type": "bool", "default": False},
}
#: The options of ``vllm_lora_artifact``, but for owner and group, which are Ansible's own.
ARTIFACT_SPEC: dict = {
    "name": {"type": "str", "required": True},
    "src": {"type": "path"},
    "digest": {"type": "str"},
    "remote_src": {"type": "bool", "default": False},
    "decrypt": {"type": "bool", "default": True},
    "store": {"type": "path", "required": True},
    "server_store": {"type": "str"},
    **CHECKS,
    "mode": {"type": "raw", "default": "u=rwX,go=rX"},
}
ONE_SOURCE = [("src", "digest")]


class FileOperation(Operation):
    """The work of a module on files of the host that it runs on."""

    def result(self, options: Mapping, check_mode: bool) -> dict:
        """Return the result as a task reports it."""
        try:
            return super().result(options, check_mode)
        except OSError as error:
            return {**failure(store_error(error.filename, "read", error)), "failed": True}


def look_into(options: Mapping) -> dict:
    """Do the work of ``vllm_lora_artifact_info``; return its result.

    :raises VllmError: ``invalid_request`` when an option makes no sense.
    """
    found = inspect_artifact(**options)
    # What `failed_when` shows.
    told = {} if found["valid"] else {"msg": refused("serve what is in", options["path"], found["problems"]).message}
    return {"changed": False, **found, **told}


class LoraArtifactInfo(FileOperation):
    """Inspect an artifact."""

    options: ClassVar = {"path": {"type": "path", "required": True}, **CHECKS}

    def run(self, options: Mapping, check_mode: bool) -> dict:
        """Do the work of ``vllm_lora_artifact_info``."""
        return look_into(options)


def refused(tried: str, path: str, problems: Iterable[str]) -> ArtifactError:
    """Return the error for an artifact that has problems.

    :param tried: a verb phrase that ends before the path, such as ``stage adapter 'sql' from``.
    """
    return ArtifactError(f"Could not {tried} {quoted(path)}: {' '.join(problems)}")


def checked_source(name: str, src: str, is_there: Callable[[str], bool] = os.path.lexists) -> str:
    """Return the source of an artifact.

    :raises VllmError: ``invalid_request``, or ``artifact_not_found`` where nothing is there.
    """
    if not src or "\0" in src:
        raise invalid_option("src", f"names nothing for adapter {quoted(name)}", "give a directory or an archive")
    if not is_there(src):
        hint = "bring it there, or declare a checksum that the store has, which needs no source"
        problem = f"there is no directory or archive {quoted(src)}"
        raise VllmError("artifact_not_found", problem, hint, f"stage adapter {quoted(name)}")
    return src


def place_artifact(options: Mapping, check_mode: bool, set_attributes: Callable[[str], bool]) -> dict:
    """Do the work of ``vllm_lora_artifact``; return its result.

    What the store has already, as its digest or the checksum of its archive tells, needs no source.

    :param options: of the module. With ``digest`` in place of ``src`` the artifact is only looked for.
    :param set_attributes: sets owner and mode of a file or directory; returns whether that changes anything.
    :raises VllmError: and nothing of the artifact was placed.
    """

    def finish(top: str) -> bool:
        return bool([path for path in _everything_in(top) if set_attributes(path)])

    src, name, checksum = options["src"], options["name"], _checked("checksum", options)
    pinned = _checked("digest", options) or checksum
    present = staged_digest(options["store"], name, pinned) if pinned else None
    digest = present or (pinned if src is None else _digest_of_valid(options))
    target = version_directory(options["store"], name, digest)
    home, version = os.path.split(target)
    before = [os.path.join(home, one) for one in versions(home)]
    if present or src is None:
        staged = _is_valid_there(options, target, digest, check_mode)
        changed = check_mode and not staged
    elif check_mode:
        staged = is_staged(target, digest)
        changed = not staged
    else:
        changed = stage(src, target, digest, finish, options["max_size"])
        staged = True
    if staged:
        changed = finish(target) or changed
    if staged and checksum not in (None, digest) and not check_mode:
        remember(target, checksum, digest)
    return {
        "changed": changed,
        "staged": staged,
        "digest": digest,
        "path": target,
        "server_path": posixpath.join(options["server_store"] or options["store"], os.path.basename(home), version),
        "diff": _diff(before, sorted({*before, target}) if staged or check_mode else before),
    }


def prune_versions(options: Mapping, check_mode: bool) -> dict:
    """Do the work of ``vllm_lora_store``; return its result.

    :param options: of the module.
    :raises VllmError: when an option makes no sense, or a version cannot be removed.
    """
    if options["keep"] < 0:
        raise invalid_option("keep", f"is {options['keep']}", "give 0 or more")
    before, removed = [], []
    for name in options["names"]:
        home = os.path.join(options["store"], folder_of(name))
        present = versions(home)
        before += [os.path.join(home, version) for version in present]
        if present:
            doomed = _prune(home, options["keep"], options["roots"], check_mode)
            removed += [os.path.join(home, version) for version in doomed]
    kept = [path for path in before if path not in removed]
    return {"changed": bool(removed), "removed": removed, "kept": kept, "diff": _diff(before, kept)}


class LoraArtifact(FileOperation):
    """Stage an artifact in the store."""

    options: ClassVar = ARTIFACT_SPEC
    rules: ClassVar = {"required_one_of": ONE_SOURCE, "mutually_exclusive": ONE_SOURCE, "add_file_common_args": True}

    def run(self, options: Mapping, check_mode: bool) -> dict:
        """Do the work of ``vllm_lora_artifact``."""
        return place_artifact(options, check_mode, self.set_attributes)


class LoraStore(FileOperation):
    """Remove old versions from the store."""

    options: ClassVar = {
        "store": {"type": "path", "required": True},
        "names": {"type": "list", "elements": "str", "required": True},
        "roots": {"type": "list", "elements": "str", "required": True},
        "keep": {"type": "int", "default": 2},
    }

    def run(self, options: Mapping, check_mode: bool) -> dict:
        """Do the work of ``vllm_lora_store``."""
        return prune_versions(options, check_mode)


def _checked(option: str, options: Mapping) -> str | None:
    return None if options[option] is None else checked_digest(option, options[option])


def _is_valid_there(options: Mapping, target: str, digest: str, check_mode: bool) -> bool:
    """Whether it is in its place. The options can have changed since it was staged, so it is checked there as well."""
    checks = {name: options[name] for name in CHECKS if name != "checksum"}
    problems: list[str] = []

    def read(path: str) -> str | None:
        found = inspect_artifact(path, **checks)
        problems.extend(found["problems"])
        return found["digest"]

    staged = (is_staged if check_mode else is_still_staged)(target, digest, read)
    if problems:
        raise refused(f"use adapter {quoted(options['name'])} from", target, problems)
    return staged


def _prune(home: str, keep: int, roots: Iterable[str], check_mode: bool) -> list[str]:
    if check_mode:
        return removable_versions(home, keep, roots)
    try:
        with locked(home):
            doomed = removable_versions(home, keep, roots)
            for version in doomed:
                remove_version(home, version)
            return doomed
    except OSError as error:
        raise store_error(error.filename or home, "removed", error) from None


def _digest_of_valid(options: Mapping) -> str:
    source = checked_source(options["name"], options["src"])
    found = inspect_artifact(source, **{name: options[name] for name in CHECKS})
    if not found["valid"]:
        raise refused(f"stage adapter {quoted(options['name'])} from", source, found["problems"])
    return found["digest"]


def _everything_in(top: str) -> Iterator[str]:
    for folder, _folders, files in os.walk(top):
        yield folder
        yield from (os.path.join(folder, name) for name in files)


def _diff(before: list[str], after: list[str]) -> dict:
    titles = {"before_header": "versions in the store before", "after_header": "versions in the store after"}
    return {**titles, "before": "".join(f"{one}\n" for one in before), "after": "".join(f"{one}\n" for one in after)}
