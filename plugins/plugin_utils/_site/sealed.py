# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sealed directory: files, a manifest that names each of them, and the signature of the manifest.

Bundles and results are sealed directories, ``bundle-<node>-<serial>`` and ``result-<node>-<serial>``. ``manifest.json`` has
``format``, ``kind`` (``bundle`` or ``result``), ``node``, ``serial`` (a whole number), ``made_at`` (ISO 8601), ``hosts`` (names
of the inventory) and ``files``: the path of each file → its ``sha256`` (hexadecimal digits) and ``size`` (bytes).
``manifest.json.sig`` is the signature by ``ssh-keygen -Y sign``.

A bundle has ``site/hosts.yml``, an inventory with the hosts of the node and their resolved declaration,
``artifacts/<digest without sha256:>/<file>``, and optionally ``collections/*.tar.gz`` and ``wheels/*.whl``. A result has
``result.json``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.words import some_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.layout import FORMAT, replace_file
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.signing import require_signer, sign

MANIFEST = "manifest.json"
SIGNATURE = f"{MANIFEST}.sig"
CHUNK = 1 << 20  # bytes
_MOST_BYTES = 1 << 24
_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NAME = re.compile(r"(bundle|result)-([A-Za-z0-9][A-Za-z0-9._-]{0,99})-([0-9]{1,18})")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHOWN = 5


@dataclass(frozen=True)
class Sealed:
    """The manifest of a directory whose signature has been verified.

    :param signer: the name of the signer among the allowed signers.
    :param identity: SHA-256 of the manifest, in hexadecimal digits.
    :param files: path → SHA-256 and size.
    """

    directory: Path
    signer: str
    identity: str
    node: str
    serial: int
    made_at: str
    hosts: list[str]
    files: Mapping[str, tuple[str, int]]

    def below(self, folder: str) -> dict[str, tuple[str, int]]:
        """Return the files of a folder, by their path in it."""
        prefix = f"{folder}/"
        return {path[len(prefix) :]: known for path, known in self.files.items() if path.startswith(prefix)}

    def check_listing(self) -> None:
        """Check that the directory has exactly the files of the manifest, with their sizes, and no links.

        :raises VllmError: ``bundle_damaged`` with the names of the files that are too many, too few or of another size.
        """
        found = dict(_files_in(self.directory))
        wanted = {path: size for path, (_hash, size) in self.files.items()}
        for one, many, names in (
            ("is not in its manifest", "are not in its manifest", found.keys() - wanted.keys() - {MANIFEST, SIGNATURE}),
            ("is missing", "are missing", wanted.keys() - found.keys()),
            ("is a link or no file", "are links or no files", {path for path, size in found.items() if size is None}),
            (
                "has another size",
                "have another size",
                {path for path in wanted if found.get(path, wanted[path]) != wanted[path]},
            ),
        ):
            if names:
                raise self.damaged(f"{_listed(names)} {one if len(names) == 1 else many}")

    def read(self, path: str) -> bytes:
        """Return the content of a small file.

        :raises VllmError: ``bundle_damaged`` if it has another content than the manifest says.
        """
        return b"".join(self.verified(path))

    def verified(self, path: str) -> Iterator[bytes]:
        """Yield the content of a file in pieces, and compare it with the manifest at its end.

        :raises VllmError: ``bundle_damaged`` if it has another content. Whoever has written the pieces removes them then.
        """
        expected, size = self.files[path]
        digest, count = hashlib.sha256(), 0
        try:
            with open_file(self.directory / path) as stream:
                while count <= size and (piece := stream.read(CHUNK)):
                    digest.update(piece)
                    count += len(piece)
                    yield piece
        except OSError as error:
            raise self.damaged(f"{quoted(path)} cannot be read ({error.strerror})") from None
        if count != size or digest.hexdigest() != expected:
            raise self.damaged(f"{quoted(path)} has another content than its manifest says")

    def damaged(self, problem: str) -> VllmError:
        return damaged(self.directory, problem)


def damaged(directory: Path, problem: str) -> VllmError:
    return VllmError(
        "bundle_damaged",
        f"{quoted(directory)} is not as it was signed: {problem}",
        "copy the whole directory again from where it was made, and remove what else is in it",
    )


def open_file(path: Path) -> IO[bytes]:
    """Open a file for reading. A link or a pipe that replaces a file is an ``OSError``."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "it is no file")
    return open(descriptor, "rb", buffering=0)


def _files_in(top: Path, below: str = "") -> Iterator[tuple[str, int | None]]:
    """Yield each file with its size. Links, empty directories and the like have None."""
    try:
        entries = sorted(os.scandir(top / below), key=lambda entry: entry.name)
    except OSError as error:
        raise damaged(top, f"{quoted(below or '.')} cannot be read ({error.strerror})") from None
    if below and not entries:
        yield below, None
    for entry in entries:
        path = f"{below}/{entry.name}" if below else entry.name
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            yield from _files_in(top, path)
        else:
            yield path, status.st_size if stat.S_ISREG(status.st_mode) else None


def _listed(names: Iterable[str]) -> str:
    return some_of([quoted(name) for name in sorted(names)], _SHOWN)


def checked_node(name: str, where: str) -> str:
    """Return the name of a node if it can be a part of the name of a directory.

    :raises VllmError: ``invalid_request`` if it cannot.
    """
    if not _NODE.fullmatch(name):
        advice = "set bundle_node to letters, digits, '.', '_' and '-'"
        raise refused(f"{where} gives {quoted(name)}, which cannot be the name of a node", advice)
    return name


def directory_name(kind: str, node: str, serial: int) -> str:
    return f"{kind}-{node}-{serial}"


def parsed_name(name: str) -> tuple[str, str, int] | None:
    """Return kind, node and serial in the name of a directory, or None if it is another name."""
    found = _NAME.fullmatch(name)
    return (found[1], found[2], int(found[3])) if found else None


def seal(directory: Path, header: Mapping, files: Mapping[str, tuple[str, int]], key: Path, variable: str) -> None:
    """Write the manifest and its signature. The directory is sealed then.

    :param header: ``kind``, ``node``, ``serial``, ``made_at`` and ``hosts``.
    :param files: path → SHA-256 and size of each file.
    :raises VllmError: if the key cannot sign, or the files cannot be written.
    """
    listed = {path: {"sha256": digest, "size": size} for path, (digest, size) in sorted(files.items())}
    content = json.dumps({"format": FORMAT, **header, "files": listed}, indent=1).encode() + b"\n"
    signature = sign(content, key, header["kind"], variable)
    replace_file(directory / MANIFEST, content)
    replace_file(directory / SIGNATURE, signature)


def open_sealed(directory: Path, kind: str, allowed_signers: Path, signer: str | None = None) -> Sealed:
    """Verify the signature of a directory, and only then read its manifest. No other file is read.

    :param kind: ``bundle`` or ``result``.
    :param signer: the only name among the allowed signers that counts. ``""`` is the node in the name of the directory.
    :raises VllmError: ``untrusted`` if no allowed signer has signed it, ``bundle_damaged`` if it is none.
    """
    if signer == "":
        named = parsed_name(directory.name)
        if not named or named[0] != kind:
            raise damaged(directory, f"its name is not {kind}-<node>-<serial>")
        signer = named[1]
    content, signature = (_small(directory, name) for name in (MANIFEST, SIGNATURE))
    found = require_signer(content, signature, allowed_signers, kind, f"the {kind} {quoted(directory)}", signer)
    try:
        return _sealed(directory, found, kind, content)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise damaged(directory, f"its {MANIFEST} is not one of a {kind} of format {FORMAT}") from None


def _small(directory: Path, name: str) -> bytes:
    try:
        with open_file(directory / name) as stream:
            content = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise damaged(directory, f"{name} cannot be read ({error.strerror})") from None
    if len(content) > _MOST_BYTES:
        raise damaged(directory, f"{name} has more than {_MOST_BYTES} bytes")
    return content


def _sealed(directory: Path, signer: str, kind: str, content: bytes) -> Sealed:
    manifest = json.loads(content)
    serial, made_at, hosts = manifest["serial"], manifest["made_at"], manifest["hosts"]
    files = {path: (entry["sha256"], entry["size"]) for path, entry in manifest["files"].items()}
    is_right = (
        (manifest["format"], manifest["kind"]) == (FORMAT, kind)
        and _NODE.fullmatch(manifest["node"])
        and _is_number(serial)
        and 0 < serial < 10**18
        and isinstance(made_at, str)
        and isinstance(hosts, list)
        and all(isinstance(host, str) for host in hosts)
        and all(map(_is_entry, files.items()))
    )
    if not is_right:
        raise ValueError(kind)
    identity = hashlib.sha256(content).hexdigest()
    return Sealed(directory, signer, identity, manifest["node"], serial, made_at, hosts, files)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_entry(item: tuple[str, tuple[str, int]]) -> bool:
    path, (digest, size) = item
    steps = path.split("/")
    return (
        all(step not in ("", ".", "..") and "\0" not in step for step in steps)
        and bool(_SHA256.fullmatch(digest))
        and _is_number(size)
        and size >= 0
    )
