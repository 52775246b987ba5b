# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates for servers on loopback."""

from __future__ import annotations

import ipaddress
import ssl
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def write_certificate(
    file: Path, address: str = "127.0.0.1", authority: Path | None = None, expired: bool = False
) -> Path:
    """Write a certificate and its key into one file.

    authority: a file of this function that signs it; by default it is its own authority.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, file.stem)])
    signer, issuer = key, name
    if authority:
        signer = serialization.load_pem_private_key(authority.read_bytes(), password=None)
        issuer = x509.load_pem_x509_certificate(authority.read_bytes()).subject
    now = datetime.now(timezone.utc) - timedelta(days=1 if expired else 0)
    host = x509.IPAddress(ipaddress.ip_address(address))
    certificate = (
        x509.CertificateBuilder(issuer, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([host]), critical=False)
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, pkcs8, plain))
    return file


def context_of(certificate: Path, clients: Path | None = None) -> ssl.SSLContext:
    """What a server speaks TLS with; clients: the authority of the certificates that clients must have."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if clients:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def hashed_directory(directory: Path, *certificates: Path) -> Path:
    """Put certificates into a directory under the names by which OpenSSL finds them, as c_rehash does."""
    directory.mkdir(exist_ok=True)
    for pem in certificates:
        command = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(pem)]
        name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        (directory / f"{name}.0").write_bytes(pem.read_bytes())
    return directory
