# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The paths and names of adapters that are declared by their artifact: ``<store>/<name>/<first digits of the digest>``."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from .._errors import invalid_option, quoted
from .declaration import ADAPTER_OPTIONS, is_staged
from .values import refused

_DIGITS = 12
_DIGITS_OF_A_NAME = 8
_LONGEST_NAME = 255  # bytes, on every usual file system


def folder_of(name: str) -> str:
    """Return the name of the directory that holds the versions of an adapter.

    An adapter may have any name, such as ``acme/sql`` or ``..``. Letters, digits and ``_.-~`` stay as they are, except
    for a dot at the beginning. Everything else is escaped as in a URL, so that no two names share a directory and no
    name leaves the store.

    :raises VllmError: ``invalid_request`` if no directory can have the name.
    """
    folder = quote(name, safe="", errors="surrogatepass")
    if folder.startswith("."):
        folder = "%2E" + folder[1:]
    if not 0 < len(folder) <= _LONGEST_NAME:
        raise invalid_option(
            "name",
            f"has {len(folder)} characters as the name of a directory, which can have from 1 to {_LONGEST_NAME}",
            "give the adapter another name",
        )
    return folder


def version_of(digest: str) -> str:
    """Return the name of the directory that holds the version with this digest."""
    return digest.partition(":")[2][:_DIGITS]


def path_of(server_store: str, name: str, digest: str) -> str:
    """Return the directory of a staged version as the server sees it.

    :param server_store: the store as the server sees it.
    :raises VllmError: as ``folder_of()``.
    """
    return posixpath.join(server_store, folder_of(name), version_of(digest))


def served_name(name: str, digest: str | None) -> str:
    """Return the name of a version for itself, or the name of the adapter if there is no digest."""
    return f"{name}-{digest.partition(':')[2][:_DIGITS_OF_A_NAME]}" if digest else name


def can_be_served_as(declared: str, name: str) -> bool:
    """Return whether the second name is the declared one, with or without the digits of a version."""
    return re.fullmatch(re.escape(declared) + f"(-[0-9a-f]{{{_DIGITS_OF_A_NAME}}})?", name) is not None


def superseded(adapters: Iterable[Mapping], names: Iterable[str], served: Iterable[Mapping]) -> list[str]:
    """Return the names that serve older versions of declared adapters from a store.

    :param adapters: the declared adapters.
    :param names: the names under which they are to be served.
    :param served: the adapters that are served, each with ``name`` and ``root``.
    """
    wanted, declared = set(names), [adapter["name"] for adapter in adapters]
    return [one["name"] for one in served if one["name"] not in wanted and _is_version_of_one(one, declared)]


def _is_version_of_one(served: Mapping, declared: Iterable[str]) -> bool:
    """An adapter of somebody else can have such a name, so its root counts as well."""
    return any(
        can_be_served_as(name, served["name"])
        and re.search(f"/{re.escape(folder_of(name))}/[0-9a-f]{{{_DIGITS}}}/*$", served["root"])
        for name in declared
    )


def at_paths(
    where: str,
    adapters: Iterable[Mapping],
    server_store: str,
    digests: Mapping[str, str] | None = None,
    versioned_names: bool = False,
) -> list[dict]:
    """Return what the server is told of these adapters: each at its path, under the name by which it is served.

    :param where: names the declaration in sentences.
    :param adapters: as ``read_adapters()`` returns them.
    :param server_store: the store as the server sees it.
    :param digests: name → digest of artifacts that are not declared by ``digest``, as far as they are known.
    :param versioned_names: whether each staged artifact is served under a name for itself.
    :raises VllmError: ``invalid_request`` if the digest of an artifact is not known.
    """
    found = []
    for adapter in adapters:
        entry = {option: value for option, value in adapter.items() if option in ADAPTER_OPTIONS}
        if is_staged(adapter):
            name = adapter["name"]
            digest = adapter.get("digest") or (digests or {}).get(name)
            if not digest:
                raise refused(
                    f"{where} declares {quoted(name)} by src, and the path on the node is not known without the artifact",
                    "declare its digest, which sovereign.vllm.vllm_lora_artifact_info returns",
                )
            entry["path"] = path_of(server_store, name, digest)
            entry["name"] = served_name(name, digest if versioned_names else None)
        found.append(entry)
    return found
