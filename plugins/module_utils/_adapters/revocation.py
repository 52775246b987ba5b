# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests of artifacts that must not be served, and the adapters that are served from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .._errors import VllmError, quoted, request_error
from .models import normalised
from .staged import version_of
from .values import checked_digest, read_option

#: As in an argument spec.
REVOKE_OPTIONS: dict[str, dict] = {"revoked": {"type": "list", "elements": "str", "default": []}}


@dataclass(frozen=True)
class Revoked:
    """The revoked digests, each ``sha256:`` and 64 digits."""

    digests: frozenset[str] = frozenset()

    def covers(self, path: str | None) -> bool:
        """Return whether a path is that of a revoked artifact, as a store names it: a part of it is the digest, or begins it."""
        parts = set(normalised(path).split("/")) if path and self.digests else set()
        return any(version_of(digest) in parts or digest.partition(":")[2] in parts for digest in self.digests)


def read_revoked(given: Mapping, prefix: str = "") -> Revoked:
    """Return the revoked digests that are given.

    :param given: has the option, and can have others as well.
    :param prefix: begins the name of the option, such as ``lora_`` in variables of a host.
    :raises VllmError: ``invalid_request``, with a sentence that names the option as it is given.
    """
    return Revoked(revoked_digests(f"{prefix}revoked", given.get(f"{prefix}revoked")))


def revoked_digests(where: str, written: object) -> frozenset[str]:
    """Return the digests in a list that somebody has written.

    :param where: names the list in sentences.
    :raises VllmError: ``invalid_request`` if one is no digest.
    """
    found = read_option(where, written, REVOKE_OPTIONS["revoked"])
    return frozenset(checked_digest(where, str(one)) for one in (found if isinstance(found, list) else []))


def declared_revoked(names: Iterable[str], url: str) -> VllmError:
    """Return the error of a declaration with adapters of revoked artifacts."""
    return request_error(
        "revoked",
        "converge the adapters",
        url,
        f"the declaration has adapters whose artifact is revoked: {', '.join(map(quoted, names))}",
        "nothing was written; declare another version of them, or take the digest out of the revoked ones",
    )
