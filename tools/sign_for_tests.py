# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs the adapter in tests/support/signed with the standard tool, in each way that it knows. The private keys are thrown away.

Usage, from the root of the project:

    .venv/bin/python -c "from tools import environments; environments.signing()"
    .build/venv-signing/bin/python tools/sign_for_tests.py
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from model_signing import hashing, signing

SIGNED = Path(__file__).resolve().parents[1] / "tests" / "support" / "signed"
ADAPTER = SIGNED / "adapter"
# All have 100 years, since no test may depend on the date.
DAYS = "36500"
USAGE = "keyUsage=critical,digitalSignature"


def openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def key_of(directory: Path, name: str, curve: str) -> Path:
    """Make a private key; return its file. The public key is kept for the tests."""
    file = directory / f"{name}.key"
    openssl("ecparam", "-name", curve, "-genkey", "-noout", "-out", file)
    openssl("ec", "-in", file, "-pubout", "-out", SIGNED / f"{name}.pub")
    return file


def certificates(directory: Path, signer: Path) -> Path:
    """Make a certificate of the signer, by an intermediate authority; return that directory's chain."""
    authority = key_of(directory, "authority", "secp384r1")
    openssl(
        "req", "-x509", "-new", "-key", authority, "-subj", "/CN=Models of Acme", "-days", DAYS,
        "-addext", "keyUsage=critical,keyCertSign", "-out", SIGNED / "authority.pem",
    )  # fmt: skip
    between = key_of(directory, "between", "prime256v1")
    (directory / "between.ext").write_text(
        "basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign\n"
    )
    issue(directory, "between", between, SIGNED / "authority.pem", authority, "/CN=Team of adapters")
    (directory / "signer.ext").write_text(
        f"basicConstraints=critical,CA:false\n{USAGE}\nextendedKeyUsage=codeSigning\n"
    )
    issue(directory, "signer", signer, directory / "between.pem", between, "/CN=Release 2026/O=Acme")
    for name in ("authority", "between"):
        (SIGNED / f"{name}.pub").unlink()
    return directory


def issue(directory: Path, name: str, key: Path, issuer: Path, issuer_key: Path, subject: str) -> None:
    openssl("req", "-new", "-key", key, "-subj", subject, "-out", directory / f"{name}.csr")
    openssl(
        "x509", "-req", "-in", directory / f"{name}.csr", "-CA", issuer, "-CAkey", issuer_key,
        "-CAcreateserial", "-CAserial", directory / "serial", "-days", DAYS, "-extfile", directory / f"{name}.ext", "-out", directory / f"{name}.pem",
    )  # fmt: skip


def sign(name: str, choose: Callable[[signing.Config], signing.Config], how: hashing.Config | None = None) -> None:
    ignored = [SIGNED / "adapter" / "model.sig"]
    config = (how or hashing.Config()).set_ignored_paths(paths=ignored, ignore_git_paths=True)
    choose(signing.Config()).set_hashing_config(config).sign(ADAPTER, SIGNED / f"{name}.sig")


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        keys = {
            "p256": key_of(directory, "p256", "prime256v1"),
            "p384": key_of(directory, "p384", "secp384r1"),
            "p521": key_of(directory, "p521", "secp521r1"),
        }

        def by_key(config: signing.Config) -> signing.Config:
            return config.use_elliptic_key_signer(private_key=keys["p256"])

        for name, key in keys.items():
            sign(name, lambda config, key=key: config.use_elliptic_key_signer(private_key=key))
        certificates(directory, keys["p384"])
        chain = [directory / "between.pem", SIGNED / "authority.pem"]
        sign(
            "certificate",
            lambda config: config.use_certificate_signer(
                private_key=keys["p384"], signing_certificate=directory / "signer.pem", certificate_chain=chain
            ),
        )
        for name, algorithm in (("shards", "sha256"), ("shards-blake2", "blake2")):
            shards = hashing.Config().use_shard_serialization(hashing_algorithm=algorithm, shard_size=1000)
            sign(name, by_key, shards)
        for algorithm in ("blake2", "blake3"):
            sign(algorithm, by_key, hashing.Config().use_file_serialization(hashing_algorithm=algorithm))
        sign("links", by_key, hashing.Config().use_file_serialization().set_allow_symlinks(True))


if __name__ == "__main__":
    main()
