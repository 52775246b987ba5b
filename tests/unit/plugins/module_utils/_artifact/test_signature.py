# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures of the standard tool are accepted, and nothing else is: no bad signature stages a file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.files import ArtifactError
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import inspect_artifact
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.archives import CONFIG, WEIGHTS, files_of, gzipped, stage, zip_of
from tests.support.signing import (
    certificate,
    key_text,
    new_key,
    pem,
    sign,
    signed_by_the_tool,
)

KEY, OTHER = new_key(), new_key()
P384 = new_key(ec.SECP384R1)
ROOT_KEY, BETWEEN_KEY = new_key(), new_key()
ROOT = certificate("root", ROOT_KEY, usage="authority", days=(-9, 9))
BETWEEN = certificate("between", BETWEEN_KEY, (ROOT, ROOT_KEY), usage="authority", path_length=0)
OLD_ROOT = certificate("root", ROOT_KEY, usage="authority", days=(-99, -9))


def trust(*keys: object, **entry: object) -> list[dict]:
    texts = [key if isinstance(key, str) else pem(key) for key in keys]
    return [{"names": ["sql*"], "keys": texts, **entry}]


def inspected(adapter: Path, policy: object) -> dict:
    return inspect_artifact(str(adapter), trust=policy, name="sql")


@pytest.mark.parametrize(
    ("signature", "key"),
    [
        ("p256", "p256.pub"),
        ("p384", "p384.pub"),
        ("p521", "p521.pub"),
        ("certificate", "authority.pem"),
        ("shards", "p256.pub"),
        ("blake2", "p256.pub"),
        ("shards-blake2", "p256.pub"),
        ("links", "p256.pub"),
    ],
)
def test_what_the_standard_tool_signs_is_verified(tmp_path: Path, signature: str, key: str) -> None:
    adapter = signed_by_the_tool(tmp_path / "adapter", signature)
    policy = trust(key_text(key), licences=["MIT", "Apache-2.0"], base_models=["acme/tiny"])
    found = inspected(adapter, policy)
    assert (found["problems"], found["code"]) == ([], None)
    assert found["signature"]["verified"] is True
    assert found["signature"]["signer"] == ("O=Acme,CN=Release 2026" if signature == "certificate" else None)
    for file in (WEIGHTS, CONFIG, "README.md"):
        changed = tmp_path / "changed"
        shutil.copytree(adapter, changed)
        content = bytearray((changed / file).read_bytes())
        content[-2] ^= 1
        (changed / file).write_bytes(bytes(content))
        found = inspected(changed, policy)
        assert found["code"] == "untrusted"
        assert f"is for another content of '{file}'" in found["signature"]["problem"]
        shutil.rmtree(changed)


@pytest.mark.parametrize("pack", [gzipped, zip_of], ids=["tar", "zip"])
def test_the_signature_goes_with_the_files_into_archive_and_store(
    tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    adapter = signed_by_the_tool(tmp_path / "adapter", "certificate")
    packed = tmp_path / "packed"
    packed.write_bytes(pack({f"sql/{name}": content for name, content in files_of(adapter).items()}))
    policy = trust(key_text("authority.pem"))
    staged = stage(packed, tmp_path / "store", trust=policy)
    assert staged["signature"]["verified"]
    assert sorted(files_of(Path(staged["path"]))) == ["README.md", CONFIG, WEIGHTS, "model.sig"]
    again = stage(None, tmp_path / "store", digest=staged["digest"], trust=policy)
    assert (again["staged"], again["changed"], again["signature"]["verified"]) == (True, False, True)
    with pytest.raises(ArtifactError) as raised:
        stage(None, tmp_path / "store", digest=staged["digest"], trust=trust(KEY))
    assert raised.value.code == "untrusted"


def test_a_version_that_was_staged_unsigned_gets_its_signature(tmp_path: Path, adapter: Path) -> None:
    store, policy = tmp_path / "store", trust(KEY)
    digest = stage(adapter, store)["digest"]
    with pytest.raises(ArtifactError, match="signature is missing"):
        stage(None, store, digest=digest, trust=policy)
    sign(adapter, KEY)
    assert stage(adapter, store, True, digest=digest, trust=policy)["signature"]["verified"]
    assert stage(adapter, store, digest=digest, trust=policy)["changed"] is True
    assert stage(None, store, digest=digest, trust=policy)["changed"] is False
    assert stage(adapter, store, trust=policy)["changed"] is False


def test_what_downloaders_leave_needs_no_signature(tmp_path: Path, adapter: Path) -> None:
    (adapter / "README.md").write_text("A card.")
    sign(adapter, KEY)
    (adapter / "README.md").unlink()
    for name in (".git/config", ".cache/huggingface/lock", "optimizer.pt"):
        (adapter / name).parent.mkdir(parents=True, exist_ok=True)
        (adapter / name).write_text("left")
    staged = stage(adapter, tmp_path / "store", trust=trust(KEY))
    assert sorted(files_of(Path(staged["path"]))) == [CONFIG, WEIGHTS, "model.sig"]


def test_certificates_that_were_renewed_or_are_the_signers_own(adapter: Path) -> None:
    own = certificate("signer", KEY, (BETWEEN, BETWEEN_KEY))
    sign(adapter, KEY, [own, BETWEEN])
    for anchors in ([OLD_ROOT, ROOT], [own], [BETWEEN]):
        assert inspected(adapter, trust(*anchors))["problems"] == []
    sign(adapter, P384, [certificate("signer", P384, (ROOT, ROOT_KEY))])
    assert inspected(adapter, trust(pem(OLD_ROOT) + pem(ROOT)))["signature"]["signer"] == "CN=signer"


def test_the_first_entry_with_the_name_counts(adapter: Path) -> None:
    sign(adapter, KEY)
    both = [*trust(OTHER, names=["chat"]), *trust(KEY), *trust(OTHER, names=["*"])]
    assert inspected(adapter, both)["signature"]["verified"]
    assert inspected(adapter, both[::-1])["code"] == "untrusted"
    found = inspected(adapter, both[:1])
    assert "no entry of trust is about this adapter" in found["signature"]["problem"]
    warned = stage(adapter, adapter.parent / "store", trust=trust(OTHER, mode="warn"))
    (warning,) = warned["warnings"]
    assert warning.startswith("sql is not trusted, and the mode of its policy is warn: The signature is by the key")
    assert inspected(adapter, None)["signature"] is None


def test_a_signature_by_blake3_is_refused_with_advice(tmp_path: Path) -> None:
    adapter = signed_by_the_tool(tmp_path / "adapter", "blake3")
    found = inspected(adapter, trust(key_text("p256.pub")))
    assert found["problems"] == [
        "The signature has digests of the type 'blake3', and sha256 and blake2b are supported: sign with sha256."
    ]
