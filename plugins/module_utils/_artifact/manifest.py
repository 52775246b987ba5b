# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The signed list of the files of a model, as the OpenSSF model signing specification has it: an in-toto statement."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .files import MAX_ENTRIES, is_integer, refuse_deep, shown, strict_decoder

_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://model_signing/signature/v1.0"
_BY_FILE, _BY_SHARD = "files", "shards"
# The name of each algorithm in a manifest → the function. BLAKE3 is not in Python's library.
_ALGORITHMS: dict[str, Callable[[], Any]] = {"sha256": hashlib.sha256, "blake2b": hashlib.blake2b}
_SHARD_NAME = re.compile(r"([^:]+):(0|[1-9]\d{0,18}):([1-9]\d{0,18})")
_HEX = re.compile("(?:[0-9a-f]{2})+")
SIGN_AGAIN = "sign the directory again with model_signing 1.0 or later"


class SignatureProblem(Exception):
    """A signature proves nothing. The argument is a clause that says why, and what to do."""


@dataclass(frozen=True)
class Manifest:
    """The signed files.

    :param algorithm: of all digests.
    :param shard_size: bytes of each signed part of a file; 0 if files are signed as a whole.
    :param files: name → digests of the parts, in order, with the size of the last part; None if the size is not signed.
    """

    algorithm: str
    shard_size: int
    files: Mapping[bytes, tuple[tuple[bytes, int | None], ...]]

    @property
    def needs_bytes(self) -> bool:
        """True if the SHA-256 of a whole file is not what is signed."""
        return self.algorithm != "sha256" or self.shard_size > 0


class FileDigest:
    """The digests of one file as a manifest has them. It takes the bytes in pieces of any size."""

    def __init__(self, manifest: Manifest) -> None:
        self._new = _ALGORITHMS[manifest.algorithm]
        self._shard_size = manifest.shard_size
        self._hash = self._new()
        self._room = self._shard_size
        self._size = 0
        self._done: list[bytes] = []

    def update(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._size += len(chunk)
        if not self._shard_size:
            self._hash.update(chunk)
            return
        view = memoryview(chunk)
        while view:
            piece = view[: self._room]
            self._hash.update(piece)
            self._room -= len(piece)
            view = view[len(piece) :]
            if not self._room:
                self._done.append(self._hash.digest())
                self._hash, self._room = self._new(), self._shard_size

    def parts(self, signed: tuple[tuple[bytes, int | None], ...]) -> list[bytes]:
        """Return the digests of all parts; none if the file has another size than the signed parts together."""
        if not self._shard_size:
            return [self._hash.digest()]
        rest = [] if self._room == self._shard_size else [self._hash.digest()]
        size = self._shard_size * (len(signed) - 1) + (signed[-1][1] or 0)
        return [*self._done, *rest] if size == self._size else []


def read_manifest(payload: bytes) -> Manifest:
    """Return the manifest in a statement whose signature was verified.

    :raises SignatureProblem: for each deviation from the specification, which the standard tool never writes.
    """
    statement = read_object(payload, "statement")
    if statement.get("_type") != _STATEMENT:
        raise SignatureProblem(f"is for a statement of the type {shown(statement.get('_type'))}: {SIGN_AGAIN}")
    kind = statement.get("predicateType")
    if kind != _PREDICATE:
        raise SignatureProblem(f"has the predicate {shown(kind)}, which is not {shown(_PREDICATE)}: {SIGN_AGAIN}")
    predicate = _mapping(statement.get("predicate"), "predicate")
    manifest = _manifest(predicate)
    whole = hashlib.sha256()
    for resource in predicate["resources"]:
        whole.update(bytes.fromhex(resource["digest"]))
    subjects = statement.get("subject")
    if not isinstance(subjects, list) or len(subjects) != 1:
        raise SignatureProblem(f"has a statement that does not have one subject: {SIGN_AGAIN}")
    if _mapping(subjects[0], "subject").get("digest") != {"sha256": whole.hexdigest()}:
        raise SignatureProblem(f"has a list of files that does not have the digest of its subject: {SIGN_AGAIN}")
    return manifest


def read_object(text: bytes, part: str) -> dict[str, Any]:
    """Return the JSON object in a part of a signature.

    :raises SignatureProblem: if it is none, also for a key that occurs twice.
    """
    try:
        decoded = text.decode("utf-8")
        refuse_deep(decoded)
        found = strict_decoder().decode(decoded)
    except ValueError as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeError) else str(error)
        raise SignatureProblem(f"has a {part} that is not valid JSON ({reason}): copy it again") from None
    return _mapping(found, part)


def _mapping(value: object, part: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SignatureProblem(f"has no {part}: {SIGN_AGAIN}")
    return value


def _manifest(predicate: Mapping) -> Manifest:
    how = _mapping(predicate.get("serialization"), "serialization")
    method, algorithm, size = how.get("method"), how.get("hash_type"), 0
    if method not in (_BY_FILE, _BY_SHARD):
        raise SignatureProblem(f"lists the files by the unknown method {shown(method)}: {SIGN_AGAIN}")
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
        known = " and ".join(_ALGORITHMS)
        raise SignatureProblem(
            f"has digests of the type {shown(algorithm)}, and {known} are supported: sign with sha256"
        )
    if method == _BY_SHARD:
        size = how.get("shard_size", 0)
        # Protocol buffers write all numbers as floating point.
        size = int(size) if isinstance(size, float) and size.is_integer() else size
        if not is_integer(size) or size < 1:
            raise SignatureProblem(f"has the shard size {shown(how.get('shard_size'))}: {SIGN_AGAIN}")
    resources = predicate.get("resources")
    if not isinstance(resources, list) or not resources:
        raise SignatureProblem(f"lists no files: {SIGN_AGAIN}")
    if len(resources) > MAX_ENTRIES:
        raise SignatureProblem(f"lists more than {MAX_ENTRIES} files: sign only the adapter")
    named = f"{algorithm}-sharded-{size}" if size else algorithm
    digests = {}
    for resource in resources:
        name, digest = _resource(_mapping(resource, "resource"), named, _ALGORITHMS[algorithm]().digest_size)
        if name in digests:
            raise SignatureProblem(f"lists {shown(name)} twice: {SIGN_AGAIN}")
        digests[name] = digest
    if size:
        return Manifest(algorithm, size, _joined(digests, size))
    return Manifest(algorithm, 0, {_file(name): ((digest, None),) for name, digest in digests.items()})


def _resource(resource: Mapping, algorithm: str, length: int) -> tuple[str, bytes]:
    name, digest = resource.get("name"), resource.get("digest")
    if not isinstance(name, str):
        raise SignatureProblem(f"lists a file without a name: {SIGN_AGAIN}")
    if resource.get("algorithm") != algorithm:
        found = shown(resource.get("algorithm"))
        raise SignatureProblem(f"has a digest of the type {found} for {shown(name)}, and not {algorithm}: {SIGN_AGAIN}")
    if not isinstance(digest, str) or not _HEX.fullmatch(digest) or len(digest) != 2 * length:
        raise SignatureProblem(f"has the digest {shown(digest)} for {shown(name)}: {SIGN_AGAIN}")
    return name, bytes.fromhex(digest)


def _joined(digests: Mapping[str, bytes], size: int) -> dict[bytes, tuple[tuple[bytes, int | None], ...]]:
    """Return the digests of the shards of each file, which must follow each other without a gap."""
    shards: dict[bytes, list[tuple[int, int, bytes]]] = {}
    for name, digest in digests.items():
        parts = _SHARD_NAME.fullmatch(name)
        if not parts:
            raise SignatureProblem(f"lists {shown(name)}, which is not the name of a part of a file: {SIGN_AGAIN}")
        shards.setdefault(_file(parts.group(1)), []).append((int(parts.group(2)), int(parts.group(3)), digest))
    files: dict[bytes, tuple[tuple[bytes, int | None], ...]] = {}
    for file, found in shards.items():
        found.sort()
        last = len(found) - 1
        for number, (start, end, _digest) in enumerate(found):
            if start != number * size or not (end - start == size or (number == last and 0 < end - start < size)):
                raise SignatureProblem(
                    f"does not list all parts of {shown(file.decode())} one after another: {SIGN_AGAIN}"
                )
        files[file] = tuple((digest, end - start) for start, end, digest in found)
    return files


def _file(name: str) -> bytes:
    if name == ".":
        raise SignatureProblem(
            "is for one file, such as an archive: sign the directory of the adapter, and pack it afterwards"
        )
    parts = name.split("/")
    if "\\" in name or not name.isprintable() or any(part in ("", ".", "..") for part in parts):
        raise SignatureProblem(f"lists {json.dumps(name)[:120]}, which is not a plain relative path: {SIGN_AGAIN}")
    return name.encode("utf-8")
