# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requirements on an artifact before it is staged: the options, and the errors of an artifact that does not meet them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

from .._adapters.revocation import revoked_digests
from .._adapters.source import remote_source
from .._errors import VllmError, invalid_option, printable, quoted
from .files import ArtifactError
from .inspection import inspect_artifact
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


def valid_source(options: Mapping) -> dict:
    """Return what was found in an artifact at a path, which has no problems.

    :param options: ``name``, ``src``, and those in :data:`CHECKS`.
    :raises VllmError: the problems.
    """
    source = checked_source(options["name"], options["src"])
    found = inspect_artifact(source, **{name: options[name] for name in (*CHECKS, "name")})
    digest_of_valid(options["name"], source, found)
    return found


def valid_download(options: Mapping, path: str, wanted: str | None) -> dict:
    """Return what was found in a downloaded artifact, which has no problems.

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
