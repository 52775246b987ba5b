# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No bad signature stages a file: each is refused with a sentence that says why."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.files import ArtifactError
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.archives import CONFIG, WEIGHTS, stage
from tests.support.signing import certificate, close, new_key, pem, sign, statement_of

KEY, OTHER = new_key(), new_key()
P384 = new_key(ec.SECP384R1)
ROOT_KEY, BETWEEN_KEY = new_key(), new_key()
ROOT = certificate("root", ROOT_KEY, usage="authority", days=(-9, 9))
BETWEEN = certificate("between", BETWEEN_KEY, (ROOT, ROOT_KEY), usage="authority", path_length=0)
OLD_ROOT = certificate("root", ROOT_KEY, usage="authority", days=(-99, -9))


def trust(*keys: object, **entry: object) -> list[dict]:
    texts = [key if isinstance(key, str) else pem(key) for key in keys]
    return [{"names": ["sql*"], "keys": texts, **entry}]


def statement(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], Path]:
    return lambda adapter: sign(adapter, KEY, change=change)


def predicate(**parts: object) -> Callable[[Path], Path]:
    return statement(lambda signed: signed["predicate"].update(parts))


def how(**parts: object) -> Callable[[Path], Path]:
    return statement(lambda signed: signed["predicate"]["serialization"].update(parts))


def resources(change: Callable[[list[dict]], object]) -> Callable[[Path], Path]:
    """Alters the list of files. The digest of all is right."""

    def altered(signed: dict[str, Any]) -> None:
        change(signed["predicate"]["resources"])
        close(signed)

    return statement(altered)


def named(name: str) -> Callable[[Path], Path]:
    return resources(lambda listed: listed.append({**listed[0], "name": name}))


def shards(*ends: tuple[int, int], size: object = 1000) -> Callable[[Path], Path]:
    def altered(signed: dict[str, Any]) -> None:
        digest = {"algorithm": f"sha256-sharded-{size}", "digest": "00" * 32}
        parts = [{"name": f"{WEIGHTS}:{begin}:{end}", **digest} for begin, end in ends]
        signed["predicate"].update(resources=parts)
        signed["predicate"]["serialization"].update(method="shards", shard_size=size)
        close(signed)

    return statement(altered)


def bundle(**parts: object) -> Callable[[Path], Path]:
    return lambda adapter: sign(adapter, KEY, bundle=parts)


def certificates(*listed: object) -> Callable[[Path], Path]:
    return bundle(verificationMaterial={"x509CertificateChain": {"certificates": list(listed)}})


def rewritten(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], Path]:
    """Alters a good bundle after it was signed."""

    def altered(adapter: Path) -> Path:
        whole = json.loads((sign(adapter, KEY) / "model.sig").read_text())
        change(whole)
        (adapter / "model.sig").write_text(json.dumps(whole))
        return adapter

    return altered


def content(text: bytes) -> Callable[[Path], Path]:
    def written(adapter: Path) -> Path:
        (adapter / "model.sig").write_bytes(text)
        return adapter

    return written


def then(change: Callable[[Path], object]) -> Callable[[Path], Path]:
    """Changes the artifact after it was signed."""

    def changed(adapter: Path) -> Path:
        change(sign(adapter, KEY))
        return adapter

    return changed


def chain(*signers: x509.Certificate, key: ec.EllipticCurvePrivateKey = KEY) -> Callable[[Path], Path]:
    return lambda adapter: sign(adapter, key, list(signers))


def issued(**options: Any) -> x509.Certificate:
    return certificate("signer", KEY, (ROOT, ROOT_KEY), **options)


def sign_by_key(adapter: Path) -> Path:
    return sign(adapter, KEY)


def under_the_name_of_another(adapter: Path) -> Path:
    honest = json.loads((sign(adapter, KEY) / "model.sig").read_text())
    return sign(adapter, OTHER, bundle={"verificationMaterial": honest["verificationMaterial"]})


def replay_payload(whole: dict[str, Any]) -> None:
    other = close({**statement_of(Path(os.devnull).parent / "nothing"), "predicate": {"resources": []}})
    whole["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(other).encode()).decode()


def swap_weights(adapter: Path) -> None:
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")


def unsigned_link(adapter: Path) -> None:
    (adapter / "model.sig").rename(adapter.parent / "model.sig")
    (adapter / "model.sig").symlink_to("../model.sig")


BY_KEY, BY_ROOT = trust(KEY), trust(ROOT)
LIMITED = certificate("limited", OTHER, (BETWEEN, BETWEEN_KEY), usage="authority")
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"0")
NAMES = x509.NameConstraints([x509.DNSName("acme.example")], None)
#: What is wrong → the policy, how the adapter is signed, and words of the problem.
BAD: dict[str, tuple[list[dict], Callable[[Path], Path], str]] = {
    "unsigned": (BY_KEY, lambda adapter: adapter, "is missing: sign the directory"),
    "another key": (trust(OTHER), sign_by_key, "is by the key 'sha256:"),
    "a key that only says its name": (BY_KEY, under_the_name_of_another, "does not match its own content"),
    "another curve": (trust(KEY), lambda adapter: sign(adapter, P384), "is by the key 'sha256:"),
    "weights changed": (BY_KEY, then(lambda a: (a / WEIGHTS).write_bytes(b"x")), f"another content of '{WEIGHTS}'"),
    "signature of another artifact": (BY_KEY, then(lambda a: (a / CONFIG).write_text("{}")), "of another artifact"),
    "extra file that vLLM reads": (BY_KEY, then(lambda a: (a / "vocab.json").write_text("{}")), "does not cover 'vocab.json', which vLLM reads"),
    "missing file": (BY_KEY, resources(lambda listed: listed.append({**listed[0], "name": "tokenizer.json"})), "covers 'tokenizer.json', which is missing"),
    "other weights under the name of a pickle": (BY_KEY, then(swap_weights), f"covers '{WEIGHTS}', which is missing"),
    "ignored file that vLLM reads": (BY_KEY, resources(lambda listed: listed.pop()), f"does not cover '{WEIGHTS}'"),
    "link that leaves": (BY_KEY, then(unsigned_link), "is missing"),
    "not JSON": (BY_KEY, content(b"-----BEGIN"), "bundle that is not valid JSON"),
    "empty": (BY_KEY, content(b""), "bundle that is not valid JSON"),
    "a list": (BY_KEY, content(b"[]"), "has no bundle"),
    "deep": (BY_KEY, content(b"[" * 100_000), "more than 500 levels"),
    "huge": (BY_KEY, content(b" " * ((1 << 23) + 1)), "is larger than"),
    "the same key twice": (BY_KEY, content(b'{"mediaType": 1, "mediaType": 1}'), "the same key twice"),
    "another media type": (BY_KEY, bundle(mediaType="application/vnd.dev.sigstore.bundle.v0.2+json"), "is a bundle of the type"),
    "no envelope": (BY_KEY, bundle(dsseEnvelope=None), "holds no DSSE envelope"),
    "another payload type": (BY_KEY, rewritten(lambda b: b["dsseEnvelope"].update(payloadType="text/plain")), "payload of the type"),
    "no signature": (BY_KEY, rewritten(lambda b: b["dsseEnvelope"].update(signatures=[])), "does not hold one signature"),
    "two signatures": (BY_KEY, rewritten(lambda b: b["dsseEnvelope"].update(signatures=2 * b["dsseEnvelope"]["signatures"])), "does not hold one signature"),
    "signature is not base64": (BY_KEY, rewritten(lambda b: b["dsseEnvelope"]["signatures"][0].update(sig="a b")), "signature that is not base64"),
    "signature of zeros": (BY_KEY, rewritten(lambda b: b["dsseEnvelope"]["signatures"][0].update(sig="AAAA")), "does not match its own content"),
    "payload replaced": (BY_KEY, rewritten(replay_payload), "does not match its own content"),
    "keyless": (BY_KEY, bundle(verificationMaterial={"certificate": {"rawBytes": "AAAA"}}), "cannot be verified offline"),
    "no key": (BY_KEY, bundle(verificationMaterial={}), "does not name one key or one certificate"),
    "key without a name": (BY_KEY, bundle(verificationMaterial={"publicKey": {}}), "does not name its key"),
    "payload is not JSON": (BY_KEY, lambda a: sign(a, KEY, payload=b"model"), "statement that is not valid JSON"),
    "another statement": (BY_KEY, statement(lambda s: s.update(_type="https://in-toto.io/Statement/v0.1")), "statement of the type"),
    "experimental predicate": (BY_KEY, statement(lambda s: s.update(predicateType="https://model_signing/Digests/v0.1")), "has the predicate"),
    "two subjects": (BY_KEY, statement(lambda s: s.update(subject=2 * s["subject"])), "does not have one subject"),
    "wrong digest of all": (BY_KEY, statement(lambda s: s["subject"][0].update(digest={"sha256": "00" * 32})), "digest of its subject"),
    "two digests of all": (BY_KEY, statement(lambda s: s["subject"][0]["digest"].update(md5="00")), "digest of its subject"),
    "no list": (BY_KEY, predicate(resources={}), "lists no files"),
    "empty list": (BY_KEY, resources(list.clear), "lists no files"),
    "endless list": (BY_KEY, resources(lambda listed: listed.extend(listed * 5001)), "lists more than 10000 files"),
    "a file twice": (BY_KEY, resources(lambda listed: listed.append(listed[0])), "lists 'adapter_config.json' twice"),
    "absolute name": (BY_KEY, named("/etc/passwd"), "is not a plain relative path"),
    "name that leaves": (BY_KEY, named("../adapter_config.json"), "is not a plain relative path"),
    "name with a dot": (BY_KEY, named("./adapter_config.json"), "is not a plain relative path"),
    "name with a backslash": (BY_KEY, named("a\\b"), "is not a plain relative path"),
    "name with a control character": (BY_KEY, named("a\x1b[2J"), r'lists "a\u001b[2J"'),
    "name that is no text": (BY_KEY, resources(lambda listed: listed[0].update(name=1)), "a file without a name"),
    "an archive": (BY_KEY, named("."), "is for one file, such as an archive"),
    "weak algorithm": (BY_KEY, how(hash_type="md5"), "has digests of the type 'md5'"),
    "mixed algorithms": (BY_KEY, resources(lambda listed: listed[0].update(algorithm="blake2b")), "and not sha256"),
    "short digest": (BY_KEY, resources(lambda listed: listed[0].update(digest="00")), "has the digest '00'"),
    "digest in capitals": (BY_KEY, resources(lambda listed: listed[0].update(digest="AB" * 32)), "has the digest 'AB"),
    "unknown method": (BY_KEY, how(method="pages"), "unknown method 'pages'"),
    "shards without a size": (BY_KEY, how(method="shards"), "has the shard size null"),
    "shards of no bytes": (BY_KEY, shards((0, 1), size=0), "has the shard size 0"),
    "shards with a gap": (BY_KEY, shards((0, 1000), (2000, 2500)), "does not list all parts"),
    "shards that overlap": (BY_KEY, shards((0, 1000), (500, 1500)), "does not list all parts"),
    "shards that do not begin": (BY_KEY, shards((1000, 2000)), "does not list all parts"),
    "not the name of a shard": (BY_KEY, how(method="shards", shard_size=9), "and not sha256-sharded-9"),
    "certificate without an authority": (BY_KEY, chain(issued()), "the policy trusts no certificate"),
    "another authority": (trust(certificate("root", OTHER, usage="authority")), chain(issued()), "no trusted certificate has issued"),
    "expired": (BY_ROOT, chain(issued(days=(-3, -2))), "sign with a valid certificate, or correct the clock"),
    "not yet valid": (BY_ROOT, chain(issued(days=(2, 3))), "which is valid from"),
    "expired authority": (trust(OLD_ROOT), chain(issued()), "certificate chain with CN=root, which is valid"),
    "certificate of a server": (BY_ROOT, chain(issued(usage="server")), "whose key usage does not permit it"),
    "certificate without usage": (BY_ROOT, chain(issued(usage="none")), "whose key usage does not permit it"),
    "issued by a signer": (BY_ROOT, chain(certificate("fake", OTHER, (issued(), KEY)), issued(), key=OTHER), "is not a certificate authority"),
    "too long a chain": (BY_ROOT, chain(certificate("deep", KEY, (LIMITED, OTHER)), LIMITED, BETWEEN), "a longer certificate chain than"),
    "unknown critical extension": (BY_ROOT, chain(issued(more=[(UNKNOWN, True)])), "has the extension 1.2.3"),
    "limits on names": (trust(certificate("root", ROOT_KEY, usage="authority", more=[(NAMES, False)])), chain(issued()), "that is not supported"),
    "certificate of another key": (BY_ROOT, chain(issued(), key=OTHER), "does not match its own content"),
    "damaged certificate": (BY_ROOT, certificates({"rawBytes": "AAAA"}), "has a damaged certificate"),
    "no certificates": (BY_ROOT, certificates(), "from 1 to 8 certificates"),
    "many certificates": (BY_ROOT, chain(*9 * [issued()]), "from 1 to 8 certificates"),
    "another base model": (trust(KEY, base_models=["acme/large"]), sign_by_key, "names the base model 'tiny', and item 1 of trust allows 'acme/large'"),
    "no model card": (trust(KEY, licences=["mit"]), sign_by_key, "does not cover a model card README.md"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_signature_stages_nothing(tmp_path: Path, adapter: Path, case: str) -> None:
    policy, make, words = BAD[case]
    make(adapter)
    with pytest.raises(ArtifactError) as raised:
        stage(adapter, tmp_path / "store", trust=policy)
    assert raised.value.code == "untrusted"
    assert words in raised.value.message
    assert raised.value.message.isprintable() and len(raised.value.message) < 700
    assert not (tmp_path / "store").exists()
