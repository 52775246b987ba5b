# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A policy that cannot be understood is refused as a whole, before an artifact is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact import keys
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.examination import licences_in
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.files import ArtifactError
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import inspect_artifact
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.support.archives import stage
from tests.support.signing import new_key, pem, sign

KEY = new_key()
PRIVATE = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
DAMAGED = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"
TEXT = pem(KEY)
BAD = {
    "no list": ("all", "trust is "),
    "a number": ([1], "trust is a list with 1; give a list of mappings"),
    "unknown option": ([{"key": TEXT}], "item 1 of trust has the unknown option 'key'"),
    "unknown mode": ([{"keys": [TEXT], "mode": "off"}], "option mode of item 1 of trust is 'off'"),
    "no keys": ([{"names": ["*"]}], "item 1 of trust has no keys"),
    "empty keys": ([{"keys": []}], "item 1 of trust has no keys"),
    "blank key": ([{"keys": [TEXT, " "]}], "option keys of item 1 of trust has an empty item"),
    "no names": ([{"names": [], "keys": [TEXT]}], "option names of item 1 of trust is empty"),
    "no base models": ([{"keys": [TEXT], "base_models": []}], "option base_models of item 1 of trust is empty"),
    "no licences": ([{"keys": [TEXT], "licences": []}], "option licences of item 1 of trust is empty"),
    "second entry": ([{"keys": [TEXT]}, {"keys": {}}], "item 2 of trust is"),
    "no PEM": ([{"keys": ["release.pub"]}], "key 1 of item 1 of trust is no PEM text"),
    "private key": ([{"keys": [PRIVATE]}], "key 1 of item 1 of trust is a private key"),
    "damaged key": ([{"keys": [TEXT, DAMAGED]}], "key 2 of item 1 of trust is a damaged public key"),
    "damaged certificate": (
        [{"keys": [DAMAGED.replace("PUBLIC KEY", "CERTIFICATE")]}],
        "key 1 of item 1 of trust is a damaged certificate",
    ),
    "request": (
        [{"keys": [DAMAGED.replace("PUBLIC KEY", "CERTIFICATE REQUEST")]}],
        "key 1 of item 1 of trust is a certificate request",
    ),
    "RSA": ([{"keys": [pem(rsa.generate_private_key(65537, 2048))]}], "of a type that model signing does not use"),
    "Ed25519": ([{"keys": [pem(ed25519.Ed25519PrivateKey.generate())]}], "of a type that model signing does not use"),
    "another curve": ([{"keys": [pem(new_key(ec.SECP256K1))]}], "of a type that model signing does not use"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_policy_stages_nothing(tmp_path: Path, adapter: Path, case: str) -> None:
    policy, words = BAD[case]
    sign(adapter, KEY)
    with pytest.raises(VllmError) as raised:
        stage(adapter, tmp_path / "store", trust=policy)
    assert (raised.value.code, words in raised.value.message) == ("invalid_request", True), raised.value.message
    assert PRIVATE.splitlines()[1] not in raised.value.message
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("revoked", ["latest", ["sha256:12"], [{"digest": 1}], [None]])
def test_a_bad_list_of_revoked_digests(tmp_path: Path, adapter: Path, revoked: object) -> None:
    with pytest.raises(VllmError, match="revoked") as raised:
        stage(adapter, tmp_path / "store", revoked=revoked)
    assert raised.value.code == "invalid_request"
    assert not (tmp_path / "store").exists()


def test_a_revoked_artifact_is_never_staged(tmp_path: Path, adapter: Path) -> None:
    store = tmp_path / "store"
    digest = inspect_artifact(str(adapter))["digest"]
    upper = digest.upper().replace("SHA", "sha")
    for options in ({}, {"src": None, "digest": digest}, {"checksum": digest}, {"digest": digest}):
        with pytest.raises(ArtifactError, match=f"digest {digest} is revoked") as raised:
            stage(adapter, store, **{"revoked": [upper], **options})
        assert raised.value.code == "revoked"
        assert not store.exists()
    assert stage(adapter, store)["staged"]
    with pytest.raises(ArtifactError, match="is revoked"):
        stage(None, store, digest=digest, revoked=[digest])
    found = inspect_artifact(str(adapter), revoked=[digest])
    assert (found["valid"], found["code"]) == (False, "revoked")


def test_without_the_library_the_policy_cannot_be_met(
    tmp_path: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        keys, "CRYPTOGRAPHY_IMPORT_ERROR", "Traceback:\nModuleNotFoundError: No module named 'cryptography'"
    )
    with pytest.raises(VllmError, match="install the library cryptography for this Python") as raised:
        stage(adapter, tmp_path / "store", trust=[{"keys": [TEXT]}])
    assert raised.value.code == "cryptography_missing"
    assert stage(adapter, tmp_path / "store")["staged"]


@pytest.mark.parametrize(
    ("front_matter", "licences"),
    [
        ("license: apache-2.0", ["apache-2.0"]),
        ('license: "mit"  # as agreed', ["mit"]),
        ("license:   MIT # as agreed\ntags: [lora]", ["MIT"]),
        ("license: [mit]", ["mit"]),
        ("license:\n- mit\n- apache-2.0\ntags:\n- x", ["mit", "apache-2.0"]),
        ("license: other\nlicense_name: llama3.1", ["llama3.1"]),
        ("license: mit\nlicense_name: llama3.1", ["mit"]),
        ("license: other", ["other"]),
        ("license: mit\nlicense: gpl-3.0", []),
        ("license: [mit, gpl-3.0]", ["[mit, gpl-3.0]"]),
        ("license: >\n  mit", [">"]),
        ("model:\n  license: mit", []),
        ("license:", []),
        ("tags: []", []),
    ],
)
def test_licences_of_a_model_card(front_matter: str, licences: list[str]) -> None:
    assert licences_in(f"---\n{front_matter}\n---\nlicense: gpl-3.0\n".encode()) == licences
    assert licences_in(f"\ufeff---\r\n{front_matter}\r\n---\r\n".encode()) == licences


@pytest.mark.parametrize("card", [b"", b"license: mit", b"---\nlicense: mit\n", b"\n---\nlicense: mit\n---\n", b"\xff"])
def test_a_card_without_front_matter_names_no_licence(card: bytes) -> None:
    assert licences_in(card) == []


def test_another_licence_is_refused(tmp_path: Path, adapter: Path) -> None:
    policy = [{"keys": [TEXT], "licences": ["MIT", "Apache-2.0"]}]
    for text, words in (
        ("---\nlicense: mit\n---\n", ""),
        ("---\nlicense: [mit, gpl-3.0]\n---\n", "README.md names '[mit, gpl-3.0]', and item 1 of trust allows 'MIT', 'Apache-2.0'"),
        ("# MIT", "README.md names no licence"),
        (f"---\nlicense: mit\n---\n{'x' * (1 << 20)}", "'README.md' is larger than 1048576 bytes"),
    ):  # fmt: skip
        (adapter / "README.md").write_text(text)
        sign(adapter, KEY)
        problem = inspect_artifact(str(adapter), trust=policy, name="sql")["signature"]["problem"] or ""
        assert words in problem and bool(words) == bool(problem)
