# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The digest of the files of an artifact that vLLM reads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from .files import ArtifactError, Listing, chunks, list_files, shown


def _no_feed(_name: bytes) -> None:
    return None


def hash_files(
    listing: Listing, feeds: Callable[[bytes], Callable[[bytes], object] | None] = _no_feed
) -> dict[bytes, str]:
    """Return name → SHA-256 in hexadecimal digits of each listed file.

    :param feeds: returns what else takes the bytes of the file with this name, so that a large file is read only once.
    :raises ArtifactError: if a file cannot be read.
    """
    # In the order of the listing, because a compressed archive is read in its own order.
    return {name: _file_hash(listing, name, feeds(name)) for name in listing.files}


def digest_of(hashes: Mapping[bytes, str]) -> str:
    """Return the digest of files with these hashes, ``sha256:`` and 64 hexadecimal digits.

    It is the SHA-256 of the output of ``sha256sum`` for these files, in the order of their names' bytes.
    """
    manifest = hashlib.sha256()
    for name in sorted(hashes):
        manifest.update(hashes[name].encode() + b"  " + name + b"\n")
    return "sha256:" + manifest.hexdigest()


def digest_files(listing: Listing) -> str:
    """Return the digest of the listed files.

    :raises ArtifactError: if a file cannot be read.
    """
    return digest_of(hash_files(listing))


def _file_hash(listing: Listing, name: bytes, feed: Callable[[bytes], object] | None) -> str:
    content, count = hashlib.sha256(), 0
    with listing.open(name) as stream:
        for chunk in chunks(stream):
            count += len(chunk)
            content.update(chunk)
            if feed:
                feed(chunk)
    if count != listing.files[name]:
        raise ArtifactError(f"{shown(name.decode('utf-8', 'surrogateescape'))} changed while it was read: try again.")
    return content.hexdigest()


def directory_digest(path: str) -> str:
    """Return the digest of a directory, as ``digest_files()`` does of its files.

    :raises ArtifactError: if an entry is not a file of the artifact, or cannot be read.
    """
    listing = list_files(path)
    listing.require_files()
    return digest_files(listing)
