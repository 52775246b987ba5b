# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the modules that change a store, and their results."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping

from ._artifact import checked_digest, inspect_artifact
from ._artifact_files import ArtifactError
from ._staging import is_staged, is_still_staged, stage
from ._store import folder_of, locked, removable_versions, remove_version, version_directory, versions

#: The options that say what an artifact has to be. Those of the controller are checked there.
CHECKS: dict = {
    "checksum": {"type": "str"},
    "max_size": {"type": "bytes", "default": "16G"},
    "max_rank": {"type": "int"},
    "base_model": {"type": "str"},
    "allow_pickle": {"type": "bool", "default": False},
}


def place_artifact(options: Mapping, check_mode: bool, set_attributes: Callable[[str], bool]) -> dict:
    """Do the work of ``vllm_lora_artifact``; return its result.

    :param options: of the module. With ``digest`` in place of ``src`` the artifact is only looked for.
    :param set_attributes: sets owner and mode of a file or directory; returns whether that changes anything.
    :raises ArtifactError: and nothing of the artifact was placed.
    :raises ValueError: when an option makes no sense.
    """

    def finish(top: str) -> bool:
        return bool([path for path in _everything_in(top) if set_attributes(path)])

    digest = _digest_of_valid(options) if options["src"] is not None else checked_digest("digest", options["digest"])
    target = version_directory(options["store"], options["name"], digest)
    home, version = os.path.split(target)
    before = [os.path.join(home, one) for one in versions(home)]
    if check_mode:
        staged = is_staged(target, digest)
        changed = not staged
    elif options["src"] is None:
        staged = is_still_staged(target, digest)
        changed = False
    else:
        changed = stage(options["src"], target, digest, finish, options["max_size"])
        staged = True
    if staged:
        changed = finish(target) or changed
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
    :raises ArtifactError: when a name cannot be the name of a directory, or a version cannot be removed.
    """
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
        raise ArtifactError(f"{error.filename or home} cannot be removed: {error.strerror}.") from None


def _digest_of_valid(options: Mapping) -> str:
    found = inspect_artifact(options["src"], **{name: options[name] for name in CHECKS})
    if not found["valid"]:
        raise ArtifactError(" ".join(found["problems"]))
    return found["digest"]


def _everything_in(top: str) -> Iterator[str]:
    for folder, _folders, files in os.walk(top):
        yield folder
        yield from (os.path.join(folder, name) for name in files)


def _diff(before: list[str], after: list[str]) -> dict:
    titles = {"before_header": "versions in the store before", "after_header": "versions in the store after"}
    return {**titles, "before": "".join(f"{one}\n" for one in before), "after": "".join(f"{one}\n" for one in after)}
