# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of artifacts that are downloaded: archives over https, and artifacts of OCI registries. And their mirrors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from .._errors import invalid_option, quoted
from .values import refused

#: The options that say how artifacts are downloaded, as an argument spec. `secret` is for modules alone: see `roles/lora`.
SOURCE_OPTIONS: dict[str, dict] = {
    "source_mirrors": {"type": "dict", "default": {}},
    "source_credentials": {
        "type": "list",
        "elements": "dict",
        "default": [],
        # The names of variables are no secrets.
        "no_log": False,
        "options": {
            "host": {"type": "str", "required": True},
            "username": {"type": "str"},
            "secret_env": {"type": "str", "no_log": False},
            "secret": {"type": "str", "no_log": True},
        },
    },
    "source_auth_file": {"type": "path"},
    "source_plain_http": {"type": "list", "elements": "str", "default": []},
    "source_ca_path": {"type": "path"},
    "source_validate_certs": {"type": "bool", "default": True},
    "source_use_proxy": {"type": "bool", "default": True},
}

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_NOT_IN_A_URL = re.compile(r"[\x00-\x20\x7f]")
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"/({_PART}(?:/{_PART})*)(?::[\w][\w.-]*)?(?:@(.*))?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ADVICE = "write https://HOST/FILE, or oci://REGISTRY/REPOSITORY@sha256:DIGEST"


@dataclass(frozen=True)
class RemoteSource:
    """Where an artifact is downloaded from.

    :param url: as it is declared.
    :param host: in lower case, with the port if one is given.
    :param repository: of a registry; empty for an archive.
    :param digest: of the manifest in a registry; None for an archive.
    """

    url: str
    host: str
    repository: str = ""
    digest: str | None = None

    @property
    def shown(self) -> str:
        """The address for messages. A query can hold a secret."""
        return self.url.partition("?")[0]


def is_remote(src: str | None) -> bool:
    """Return whether an artifact is declared by an address instead of a path."""
    return bool(src) and _ADDRESS.match(str(src)) is not None


def remote_source(src: str, option: str = "src") -> RemoteSource:
    """Return the source that an address means.

    :param option: names the value in sentences.
    :raises VllmError: ``invalid_request`` if it cannot be used.
    """
    try:
        if _NOT_IN_A_URL.search(src):
            raise ValueError("a blank or control character")
        parts = urlsplit(src)
        parts.port  # noqa: B018  reading the port checks it
    except ValueError:
        # The value is not repeated: it may hold a password.
        raise invalid_option(option, "is not a URL", _ADVICE) from None
    if "@" in parts.netloc:
        raise invalid_option(option, "has a user or password in it", "give them by source_credentials instead")
    found = RemoteSource(src, parts.netloc.lower())
    if parts.scheme not in ("https", "http", "oci"):
        raise invalid_option(option, f"is {quoted(found.shown)}, whose scheme is none of https and oci", _ADVICE)
    if not parts.hostname:
        raise invalid_option(option, f"is {quoted(found.shown)}, which names no host", _ADVICE)
    if parts.fragment or (parts.query and parts.scheme == "oci"):
        raise invalid_option(option, "has a query or a fragment", _ADVICE)
    if parts.scheme != "oci":
        return found
    named = _REPOSITORY.fullmatch(parts.path)
    if not named:
        raise invalid_option(option, f"is {quoted(found.shown)}, which names no repository of a registry", _ADVICE)
    repository, digest = named.groups()
    if not digest or not _DIGEST.fullmatch(digest.lower()):
        problem = f"is {quoted(found.shown)}, which does not name the digest of the manifest"
        raise invalid_option(option, problem, f"a tag can be moved: {_ADVICE}")
    return RemoteSource(src, found.host, repository, digest.lower())


def check_source(name: str, src: str | None, is_pinned: bool) -> None:
    """Refuse an address that cannot be used, or whose bytes nothing pins, and empty text. Other paths are not checked.

    :param is_pinned: whether a digest or a checksum is declared.
    :raises VllmError: ``invalid_request``.
    """
    option = f"src of adapter {quoted(name)}"
    if src is not None and not src.strip():
        raise invalid_option(option, "is empty", "give a directory, an archive or an address")
    if not src or not is_remote(src):
        return
    source = remote_source(src, option)
    if not is_pinned and source.digest is None:
        problem = f"is {quoted(source.shown)}, and neither digest nor checksum is given"
        raise invalid_option(option, problem, "give one, since the server decides what it answers")


def pin_of(src: str | None, checksum: str | None) -> str | None:
    """Return what pins the bytes of a source, beside the digest: the checksum, or else the digest of the manifest in a registry."""
    return checksum or (remote_source(src).digest if src and is_remote(src) else None)


def candidates(source: RemoteSource, mirrors: Mapping) -> list[RemoteSource]:
    """Return where the source is to be looked for, in this order.

    :param mirrors: prefix of an address → prefixes to try instead of it. The longest prefix counts. The address itself is tried
        only if no prefix fits, or if it is in the list.
    :raises VllmError: ``invalid_request`` if a mirror makes no sense.
    """
    fitting = [prefix for prefix in mirrors if isinstance(prefix, str) and source.url.startswith(prefix)]
    if not fitting:
        return [source]
    prefix = max(fitting, key=len)
    option = f"source_mirrors for {quoted(prefix)}"
    listed = mirrors[prefix]
    if not isinstance(listed, (list, tuple)) or not listed or not all(isinstance(one, str) for one in listed):
        raise refused(f"Option {option} is no list of addresses", "list the prefixes to try, in order")
    found = [remote_source(one + source.url[len(prefix) :], option) for one in listed]
    if any(bool(one.repository) != bool(source.repository) for one in found):
        raise refused(
            f"Option {option} has an address of another kind", "use oci:// for oci://, and https:// for https://"
        )
    return found


def is_plain(host: str, allowed: Iterable[str]) -> bool:
    """Return whether the operator says that a host is asked by plain http.

    :param host: in lower case, with the port if one is given.
    :param allowed: hosts, with or without a port.
    """
    named = {one.lower() for one in allowed}
    return host in named or host.rpartition(":")[0] in named
