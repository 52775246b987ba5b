# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs artifacts as the standard tool does, well or badly. That it signs as the tool does is seen by the files in `signed`."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

#: Artifacts and signatures that the standard tool has made; see tools/sign_for_tests.py.
SIGNED = Path(__file__).parent / "signed"
NOW = datetime.now(timezone.utc).replace(microsecond=0)
_CURVE_HASHES: dict[int, Any] = {256: hashes.SHA256, 384: hashes.SHA384, 521: hashes.SHA512}
_PAYLOAD = "application/vnd.in-toto+json"


def signed_by_the_tool(directory: Path, signature: str) -> Path:
    """Copy the adapter of the standard tool, with one of its signatures."""
    shutil.copytree(SIGNED / "adapter", directory)
    shutil.copy(SIGNED / f"{signature}.sig", directory / "model.sig")
    return directory


def key_text(name: str) -> str:
    """The text of a public key or certificate of the standard tool's signatures."""
    return (SIGNED / name).read_text(encoding="ascii")


def new_key(curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())


def pem(key: Any) -> str:
    """The PEM text of the public part of a key, or of a certificate."""
    if isinstance(key, x509.Certificate):
        return key.public_bytes(serialization.Encoding.PEM).decode()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None,
    days: tuple[float, float] = (-1, 1),
    usage: str = "sign",
    path_length: int | None = None,
    more: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> x509.Certificate:
    """A certificate. usage: `sign`, `authority`, `server` or `none`; days: from now."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin, end = (NOW + timedelta(days=day) for day in days)
    builder = x509.CertificateBuilder(issuer[0].subject if issuer else subject, subject, key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
    is_authority = usage == "authority"
    constraints = x509.BasicConstraints(ca=is_authority, path_length=path_length if is_authority else None)
    builder = builder.add_extension(constraints, critical=True)
    if usage != "none":
        flags = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign"), False
        )
        flags.update(encipher_only=False, decipher_only=False)
        key_usage = x509.KeyUsage(digital_signature=not is_authority, key_cert_sign=is_authority, **flags)
        builder = builder.add_extension(key_usage, critical=True)
    if usage == "server":
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    for extension, critical in more:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256())


def statement_of(directory: Path, **serialization: object) -> dict[str, Any]:
    """What is to be signed: all files of a directory with their SHA-256."""
    files = sorted(file for file in directory.rglob("*") if file.is_file() and file.name != "model.sig")
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": directory.name, "digest": {}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "resources": [
                {
                    "name": str(file.relative_to(directory)),
                    "algorithm": "sha256",
                    "digest": _sha256(file),
                }
                for file in files
            ],
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": [".git", "model.sig"],
                **serialization,
            },
        },
    }


def _sha256(file: Path) -> str:
    content = hashlib.sha256()
    with file.open("rb") as stream:
        for chunk in iter(lambda: stream.read(1 << 20), b""):
            content.update(chunk)
    return content.hexdigest()


def close(statement: dict[str, Any]) -> dict[str, Any]:
    """Put the digest of all digests into the subject."""
    whole = hashlib.sha256()
    for resource in statement["predicate"]["resources"]:
        whole.update(bytes.fromhex(resource["digest"]))
    statement["subject"][0]["digest"] = {"sha256": whole.hexdigest()}
    return statement


def sign(
    directory: Path,
    key: ec.EllipticCurvePrivateKey,
    chain: Sequence[x509.Certificate] = (),
    change: Callable[[dict[str, Any]], object] | None = None,
    payload: bytes | None = None,
    bundle: Mapping[str, Any] | None = None,
) -> Path:
    """Write model.sig into a directory, and return the directory.

    change: alters the statement before it is signed, payload: replaces it, bundle: replaces parts of the bundle afterwards.
    """
    statement = close(statement_of(directory))
    if change:
        change(statement)
    content = json.dumps(statement).encode() if payload is None else payload
    signed = b"DSSEv1 %d %s %d %s" % (len(_PAYLOAD), _PAYLOAD.encode(), len(content), content)
    signature = key.sign(signed, ec.ECDSA(_CURVE_HASHES[key.curve.key_size]()))
    material: dict[str, Any] = {"publicKey": {"hint": hashlib.sha256(pem(key).encode()).hexdigest()}}
    if chain:
        encoded = [base64.b64encode(one.public_bytes(serialization.Encoding.DER)).decode() for one in chain]
        material = {"x509CertificateChain": {"certificates": [{"rawBytes": one} for one in encoded]}}
    whole = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {**material, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(content).decode(),
            "payloadType": _PAYLOAD,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
        **(bundle or {}),
    }
    (directory / "model.sig").write_text(json.dumps(whole), encoding="utf-8")
    return directory
