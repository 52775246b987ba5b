# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Public keys and chains of certificates. It works with all releases of cryptography from 3.4 on, and asks no network."""

from __future__ import annotations

import hashlib
import platform
import re
import sys
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from .._adapters.values import refused
from .._errors import VllmError, printable
from .manifest import SignatureProblem

if TYPE_CHECKING:
    from .trust import Policy

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID
except ImportError:
    CRYPTOGRAPHY_IMPORT_ERROR = traceback.format_exc()
else:
    CRYPTOGRAPHY_IMPORT_ERROR = ""

_BLOCK = re.compile("-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \\1-----", re.DOTALL)
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_LONGEST_CHAIN = 8
_SMALLEST_RSA_KEY = 2048  # bits
_ADVICE = "give public keys of the curves P-256, P-384 or P-521, or certificates, in PEM format"


@dataclass(frozen=True)
class Keys:
    """The keys that a policy trusts.

    :param public: fingerprint → key, of elliptic curves.
    :param anchors: certificates, of signers or of authorities.
    """

    public: dict[str, Any]
    anchors: tuple[Any, ...]


def require_cryptography() -> None:
    """Raise VllmError if the Python that runs this lacks the library: a host can have several."""
    if CRYPTOGRAPHY_IMPORT_ERROR:
        reason = CRYPTOGRAPHY_IMPORT_ERROR.strip().splitlines()[-1]
        hint = "install the library cryptography for this Python, or verify on the controller, without remote_src"
        attempt = f"import cryptography with {sys.executable} on {platform.node()}"
        raise VllmError("cryptography_missing", reason, hint, attempt, detail=reason)


def read_keys(policy: Policy) -> Keys:
    """Return the keys of an entry of a policy.

    :raises VllmError: ``invalid_request`` if one of them cannot be used, ``cryptography_missing``.
    """
    require_cryptography()
    public, anchors = {}, []
    for number, text in enumerate(policy.keys, 1):
        where = f"key {number} of {policy.where}"
        blocks = list(_BLOCK.finditer(text))
        if not blocks:
            raise refused(f"{where} is no PEM text", _ADVICE)
        for block in blocks:
            kind = block.group(1)
            # Its text is never shown.
            if "PRIVATE" in kind:
                raise refused(f"{where} is a private key", "give the public key, and keep the private key secret")
            if kind not in ("PUBLIC KEY", "CERTIFICATE"):
                raise refused(f"{where} is a {printable(kind.lower())}", _ADVICE)
            found = _loaded(where, kind, block.group().encode("ascii", "replace"))
            if kind == "CERTIFICATE":
                anchors.append(found)
            elif _is_supported(found):
                public[fingerprint(found)] = found
            else:
                raise refused(f"{where} is of a type that model signing does not use", _ADVICE)
    return Keys(public, tuple(anchors))


def _loaded(where: str, kind: str, pem: bytes) -> Any:
    try:
        load = x509.load_pem_x509_certificate if kind == "CERTIFICATE" else serialization.load_pem_public_key
        return load(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise refused(f"{where} is a damaged {kind.lower()}", "copy it again") from None


def fingerprint(key: Any) -> str:
    """Return the SHA-256 of a public key as signatures name it: of its PEM text."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(serialization.Encoding.PEM, form)).hexdigest()


def is_signed_by(key: Any, signature: bytes, content: bytes) -> bool:
    """Return whether the signature of this content was made with the private part of the key.

    :param key: of a curve that model signing uses. The curve decides the hash function.
    """
    try:
        key.verify(signature, content, ec.ECDSA(_hash_of(key)))
    except InvalidSignature:
        return False
    return True


def _is_supported(key: Any) -> bool:
    return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES


def _hash_of(key: Any) -> Any:
    kinds: dict[int, Any] = {256: hashes.SHA256, 384: hashes.SHA384, 521: hashes.SHA512}
    return kinds[key.curve.key_size]()


def key_of_chain(chain: Sequence[bytes], anchors: Iterable[Any], now: datetime) -> tuple[Any, str]:
    """Return the public key of a signer, and the name of the signer, from the chain of certificates in a signature.

    :param chain: the certificates in DER format, that of the signer first.
    :param anchors: the trusted certificates.
    :param now: the time at which all certificates must be valid.
    :raises SignatureProblem: if no path of valid certificates leads to an anchor.
    """
    try:
        certificates = [x509.load_der_x509_certificate(one) for one in chain]
    except (ValueError, UnsupportedAlgorithm):
        raise SignatureProblem("has a damaged certificate: copy it again") from None
    try:
        signer, trusted = certificates[0], list(anchors)
        name = printable(signer.subject.rfc4514_string())
        _check_signer(signer, name)
        known = [*trusted, *certificates[1:_LONGEST_CHAIN]]
        # A certificate that was renewed has the name and the key of the expired one.
        valid = [one for one in known if _is_valid(one, now)]
        ends = {_der(one) for one in trusted}
        path = _path(signer, valid, ends) or _path(signer, known, ends)
        if not path:
            raise SignatureProblem(f"is by the certificate of {name}, which no trusted certificate has issued")
        _check_path(path, now)
        key = signer.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise SignatureProblem("has a certificate that cannot be read: make a new one") from None
    if not _is_supported(key):
        raise SignatureProblem(f"is by the certificate of {name}, whose key is not of the curve P-256, P-384 or P-521")
    return key, name


def _der(certificate: Any) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def _path(signer: Any, known: Sequence[Any], anchors: set[bytes]) -> list[Any]:
    """Return the certificates from the signer to an anchor, each signed by the next; none if there is no such path."""
    paths, seen = [[signer]], {_der(signer)}
    while paths:
        path = paths.pop(0)
        if _der(path[-1]) in anchors:
            return path
        for issuer in known:
            if _der(issuer) not in seen and _has_issued(issuer, path[-1]):
                seen.add(_der(issuer))
                paths.append([*path, issuer])
    return []


def _has_issued(issuer: Any, certificate: Any) -> bool:
    if issuer.subject != certificate.issuer:
        return False
    algorithm = certificate.signature_hash_algorithm
    if algorithm is None or algorithm.name not in ("sha256", "sha384", "sha512"):
        return False
    key: Any = issuer.public_key()
    how: list[Any] = []
    if isinstance(key, ec.EllipticCurvePublicKey):
        how = [ec.ECDSA(algorithm)]
    elif isinstance(key, rsa.RSAPublicKey) and key.key_size >= _SMALLEST_RSA_KEY:
        how = [padding.PKCS1v15(), algorithm]
    if not how:
        return False
    try:
        key.verify(certificate.signature, certificate.tbs_certificate_bytes, *how)
    except InvalidSignature:
        return False
    return True


def _check_path(path: Sequence[Any], now: datetime) -> None:
    for depth, certificate in enumerate(path):
        name = printable(certificate.subject.rfc4514_string())
        if not _is_valid(certificate, now):
            begin, end = (_moment(certificate, edge) for edge in ("before", "after"))
            valid = f"from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"
            raise SignatureProblem(
                f"is by a certificate chain with {name}, which is valid {valid}, and it is {now:%Y-%m-%d %H:%M} UTC on "
                f"{platform.node()}: sign with a valid certificate, or correct the clock"
            )
        for extension in certificate.extensions:
            is_limit = extension.critical or extension.oid == ExtensionOID.NAME_CONSTRAINTS
            if is_limit and extension.oid not in _UNDERSTOOD:
                raise SignatureProblem(
                    f"is by a certificate chain with {name}, which has the extension {extension.oid.dotted_string} that is not supported"
                )
        if depth:
            _check_authority(certificate, depth - 1, name)


def _is_valid(certificate: Any, now: datetime) -> bool:
    return _moment(certificate, "before") <= now <= _moment(certificate, "after")


def _moment(certificate: Any, edge: str) -> datetime:
    # The second attribute is deprecated since cryptography 42, which has the first.
    utc = getattr(certificate, f"not_valid_{edge}_utc", None)
    return utc if utc is not None else getattr(certificate, f"not_valid_{edge}").replace(tzinfo=timezone.utc)


def _extension(certificate: Any, kind: str) -> Any:
    return next((one.value for one in certificate.extensions if one.oid == getattr(ExtensionOID, kind)), None)


def _check_authority(certificate: Any, below: int, name: str) -> None:
    """Check that a certificate may issue others. ``below`` is the number of authorities between it and the signer."""
    basic, usage = _extension(certificate, "BASIC_CONSTRAINTS"), _extension(certificate, "KEY_USAGE")
    if basic is None or not basic.ca or (usage is not None and not usage.key_cert_sign):
        raise SignatureProblem(f"is by a certificate that {name} has issued, which is not a certificate authority")
    if basic.path_length is not None and below > basic.path_length:
        raise SignatureProblem(f"is by a longer certificate chain than {name} permits")


def _check_signer(certificate: Any, name: str) -> None:
    """Check that a certificate may sign, and is not one of a server whose authority also makes those of signers."""
    usage, purposes = _extension(certificate, "KEY_USAGE"), _extension(certificate, "EXTENDED_KEY_USAGE")
    may_sign = usage is None or usage.digital_signature
    is_for_code = purposes is None or ExtendedKeyUsageOID.CODE_SIGNING in purposes
    if not may_sign or not is_for_code or (usage is None and purposes is None):
        raise SignatureProblem(
            f"is by the certificate of {name}, whose key usage does not permit it: use one for digitalSignature and codeSigning"
        )


_UNDERSTOOD = (
    ()
    if CRYPTOGRAPHY_IMPORT_ERROR
    else (ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE)
)
