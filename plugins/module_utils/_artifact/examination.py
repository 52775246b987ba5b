# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares an artifact with the policy of trust, in the same pass over its bytes that computes the digest."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from .config import is_same_model
from .files import CARD, SIGNATURE, ArtifactError, Listing, chunks, names_that_vllm_reads, shown
from .keys import read_keys
from .manifest import FileDigest, SignatureProblem
from .signature import MAX_SIGNATURE, Signed, verify
from .trust import Policy

MAX_CARD = 1 << 20  # bytes


class Examination:
    """The signature of one artifact. It covers the files that vLLM reads, and the model card if the policy asks for a licence.

    :param policy: the entry for the name of the adapter.
    :param now: the time at which certificates must be valid. By default, it is that of the clock of this machine.
    :raises VllmError: ``invalid_request`` if a key of the policy cannot be used, ``cryptography_missing``.
    """

    def __init__(self, policy: Policy, listing: Listing, now: datetime | None = None) -> None:
        self._policy, self._listing = policy, listing
        self._signed: Signed | None = None
        self._digests: dict[bytes, FileDigest] = {}
        self._problem = ""
        keys = read_keys(policy)
        try:
            if not policy.keys and policy.enforced:
                raise SignatureProblem(
                    f"cannot be trusted, since no entry of {policy.where} is about this adapter: add one"
                )
            if SIGNATURE not in listing.evidence:
                raise SignatureProblem(
                    "is missing: sign the directory of the adapter, and keep model.sig beside adapter_config.json"
                )
            self._signed = verify(_content(listing, SIGNATURE, MAX_SIGNATURE), keys, now or datetime.now(timezone.utc))
        except SignatureProblem as problem:
            self._problem = f"The signature {problem}."
        except ArtifactError as problem:
            self._problem = str(problem)

    def feed(self, name: bytes) -> Callable[[bytes], object] | None:
        """Return what takes the bytes of a file, if its SHA-256 alone is not enough."""
        if self._signed is None or not self._signed.manifest.needs_bytes:
            return None
        self._digests[name] = FileDigest(self._signed.manifest)
        return self._digests[name].update

    def verdict(self, hashes: Mapping[bytes, str] | None, base_model: str | None) -> dict[str, Any]:
        """Return the verdict as results show it: ``verified``, ``key``, ``signer``, ``mode``, ``problem``.

        :param hashes: name → SHA-256 of each file that vLLM reads; None if one of them could not be read.
        :param base_model: the model that the adapter names as the one that it was trained for.
        """
        problem = self._problem
        try:
            if not problem:
                self._compare(hashes)
                self._check_base_model(base_model)
                self._check_licence()
        except SignatureProblem as found:
            problem = f"The signature {found}."
        except ArtifactError as found:
            problem = str(found)
        return {
            "verified": not problem,
            "key": self._signed.key if self._signed else None,
            "signer": self._signed.signer if self._signed else None,
            "mode": "enforce" if self._policy.enforced else "warn",
            "problem": problem or None,
        }

    def _compare(self, hashes: Mapping[bytes, str] | None) -> None:
        if self._signed is None or hashes is None:
            raise SignatureProblem("cannot be compared, because some files cannot be read")
        manifest = self._signed.manifest
        for name in names_that_vllm_reads(manifest.files):
            if name not in hashes:
                raise SignatureProblem(
                    f"covers {shown(name.decode())}, which is missing: copy the whole artifact again"
                )
        for name in sorted(hashes):
            if name not in manifest.files:
                raise SignatureProblem(
                    f"does not cover {shown(name.decode())}, which vLLM reads: remove that file, or sign it too"
                )
            digest = self._digests.get(name)
            parts = digest.parts(manifest.files[name]) if digest else [bytes.fromhex(hashes[name])]
            _require_parts(name, parts, manifest.files[name])

    def _check_base_model(self, named: str | None) -> None:
        allowed = self._policy.base_models
        if allowed and not (named and any(is_same_model(named, one) for one in allowed)):
            raise SignatureProblem(
                f"is not enough: adapter_config.json names the base model {shown(named)}, and {self._policy.where} allows "
                f"{_listed(allowed)}"
            )

    def _check_licence(self) -> None:
        allowed = [one.strip().lower() for one in self._policy.licences]
        if not allowed:
            return
        manifest = self._signed.manifest if self._signed else None
        if CARD not in self._listing.evidence or manifest is None or CARD not in manifest.files:
            raise SignatureProblem(
                "does not cover a model card README.md, which has to name the licence: add one, and sign it"
            )
        content, digest = _content(self._listing, CARD, MAX_CARD), FileDigest(manifest)
        digest.update(content)
        _require_parts(CARD, digest.parts(manifest.files[CARD]), manifest.files[CARD])
        found = licences_in(content)
        if not found or any(one.lower() not in allowed for one in found):
            names = _listed(found) if found else "no licence"
            raise SignatureProblem(
                f"is not enough: README.md names {names}, and {self._policy.where} allows {_listed(self._policy.licences)}"
            )


def _require_parts(name: bytes, found: Sequence[bytes], signed: Sequence[tuple[bytes, int | None]]) -> None:
    if list(found) != [digest for digest, _size in signed]:
        raise SignatureProblem(
            f"is for another content of {shown(name.decode())}: the file was changed after it was signed, or the signature is of "
            "another artifact"
        )


def _listed(words: Sequence[str]) -> str:
    return ", ".join(map(shown, words))


def _content(listing: Listing, name: bytes, limit: int) -> bytes:
    with listing.open(name) as stream:
        found = b""
        for chunk in chunks(stream):
            found += chunk
            if len(found) > limit:
                raise SignatureProblem(f"cannot be used, since {shown(name.decode())} is larger than {limit} bytes")
        return found


_FIELD = re.compile(r"(license|license_name):[ \t]*(.*)")
_ITEM = re.compile(r"[ \t]*-[ \t]+(.*)")


def licences_in(card: bytes) -> list[str]:
    """Return the licences that a model card names in its front matter, none if it cannot be understood.

    A host may have no YAML library, so this reads only the plain forms of the keys ``license`` and ``license_name``.
    """
    lines = card.decode("utf-8", "replace").lstrip("\ufeff").splitlines()
    if not lines or lines[0].rstrip() != "---" or "---" not in [line.rstrip() for line in lines[1:]]:
        return []
    end = next(number for number, line in enumerate(lines[1:], 1) if line.rstrip() == "---")
    fields: dict[str, list[str]] = {}
    for number, line in enumerate(lines[1:end], 1):
        field = _FIELD.fullmatch(line)
        if not field:
            continue
        if field.group(1) in fields:
            return []
        value = _scalar(field.group(2))
        fields[field.group(1)] = [value] if value else _items(lines[number + 1 : end])
    found = fields.get("license", [])
    return fields.get("license_name", found) if found == ["other"] else found


def _items(lines: Sequence[str]) -> list[str]:
    found = []
    for line in lines:
        item = _ITEM.fullmatch(line)
        if not item:
            break
        found.append(_scalar(item.group(1)))
    return found


def _scalar(text: str) -> str:
    if text[:1] in ("[", "{"):
        items = text.strip().strip("[]{}").split(",")
        return _scalar(items[0]) if len(items) == 1 else text
    quoted = re.fullmatch(r"""(['"])(.*)\1[ \t]*(?:#.*)?""", text)
    return quoted.group(2) if quoted else re.sub(r"(?:^|[ \t])#.*", "", text).strip()
