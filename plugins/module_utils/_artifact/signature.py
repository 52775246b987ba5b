# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verifies the signature of an artifact, a file as the standard tool model_signing writes it, without any network."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from .files import shown
from .keys import Keys, fingerprint, is_signed_by, key_of_chain
from .manifest import SIGN_AGAIN, Manifest, SignatureProblem, read_manifest, read_object

MAX_SIGNATURE = 1 << 23  # bytes; a signature of ten files has 4 kB
_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD = "application/vnd.in-toto+json"
_LONGEST_CHAIN = 8


@dataclass(frozen=True)
class Signed:
    """A signature that was verified.

    :param key: the fingerprint of the public key, ``sha256:`` and 64 digits.
    :param signer: the subject of the certificate; None if the signature is by a key alone.
    """

    manifest: Manifest
    key: str
    signer: str | None = None


def verify(content: bytes, keys: Keys, now: datetime) -> Signed:
    """Return what a signature says, if one of the trusted keys has made it.

    :param content: of the file with the signature.
    :param now: the time at which certificates must be valid.
    :raises SignatureProblem: if it proves nothing.
    """
    if len(content) > MAX_SIGNATURE:
        raise SignatureProblem(f"is larger than {MAX_SIGNATURE} bytes: sign only the adapter")
    bundle = read_object(content, "bundle")
    if bundle.get("mediaType") != _BUNDLE:
        raise SignatureProblem(
            f"is a bundle of the type {shown(bundle.get('mediaType'))}, not {shown(_BUNDLE)}: {SIGN_AGAIN}"
        )
    payload, signature = _envelope(bundle.get("dsseEnvelope"))
    key, signer = _key(bundle.get("verificationMaterial"), keys, now)
    name = _PAYLOAD.encode()
    signed = b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)
    if not is_signed_by(key, signature, signed):
        raise SignatureProblem("does not match its own content: it was changed after it was made, so copy it again")
    return Signed(read_manifest(payload), f"sha256:{fingerprint(key)}", signer)


def _envelope(envelope: object) -> tuple[bytes, bytes]:
    """Return the payload, and its signature."""
    if not isinstance(envelope, Mapping):
        raise SignatureProblem(f"holds no DSSE envelope: {SIGN_AGAIN}")
    if envelope.get("payloadType") != _PAYLOAD:
        raise SignatureProblem(f"is for a payload of the type {shown(envelope.get('payloadType'))}: {SIGN_AGAIN}")
    signatures = envelope.get("signatures")
    if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], Mapping):
        raise SignatureProblem(f"does not hold one signature in its envelope: {SIGN_AGAIN}")
    return _decoded(envelope.get("payload"), "payload"), _decoded(signatures[0].get("sig"), "signature")


def _decoded(text: object, part: str) -> bytes:
    try:
        if isinstance(text, str):
            found = base64.b64decode(text.encode("ascii"), validate=True)
            if found:
                return found
    except (binascii.Error, ValueError):
        pass
    raise SignatureProblem(f"has a {part} that is not base64: copy it again")


def _key(material: object, keys: Keys, now: datetime) -> tuple[object, str | None]:
    """Return the trusted key that a signature says it is by, and the name of the signer."""
    given = material if isinstance(material, Mapping) else {}
    kinds = [kind for kind in ("publicKey", "x509CertificateChain", "certificate") if given.get(kind) is not None]
    if len(kinds) != 1:
        raise SignatureProblem(f"does not name one key or one certificate: {SIGN_AGAIN}")
    if kinds == ["publicKey"]:
        return _named_key(given["publicKey"], keys), None
    if kinds == ["certificate"]:
        raise SignatureProblem(
            "is a keyless one of Sigstore, which cannot be verified offline: sign with a key or a certificate"
        )
    chain = given["x509CertificateChain"]
    listed = chain.get("certificates") if isinstance(chain, Mapping) else None
    if not isinstance(listed, list) or not 0 < len(listed) <= _LONGEST_CHAIN:
        raise SignatureProblem(f"does not hold from 1 to {_LONGEST_CHAIN} certificates: {SIGN_AGAIN}")
    if not keys.anchors:
        raise SignatureProblem(
            "is by a certificate, and the policy trusts no certificate: add that of the authority to keys"
        )
    encoded = [one.get("rawBytes") if isinstance(one, Mapping) else None for one in listed]
    return key_of_chain([_decoded(one, "certificate") for one in encoded], keys.anchors, now)


def _named_key(named: object, keys: Keys) -> object:
    hint = named.get("hint") if isinstance(named, Mapping) else None
    if not isinstance(hint, str) or not hint:
        raise SignatureProblem(f"does not name its key: {SIGN_AGAIN}")
    if hint not in keys.public:
        trusted = ", ".join(f"sha256:{one}" for one in keys.public) or "none but certificates"
        raise SignatureProblem(
            f"is by the key {shown('sha256:' + hint)}, and the policy trusts {trusted}: add that key to keys if it is trusted"
        )
    return keys.public[hint]
