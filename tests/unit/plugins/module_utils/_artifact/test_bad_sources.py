# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad registries, web servers, addresses and mirrors: each is a clear error with a code, and nothing is staged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.module_utils._http.download import Web

from tests.support.archives import CONFIG, LIMIT, WEIGHTS, files_of, gzipped, tar_entry, tar_of
from tests.support.artifact_server import INDEX, TAR, TAR_GZIP, ArtifactServer, Response, fetch, sha256

SECRET = "sesame-4711"


def bad_registry(server: ArtifactServer, files: dict[str, bytes]) -> dict[str, tuple[str, str, str]]:
    """Name → address, code, words of the message."""
    layers = server.files_as_layers(files)
    other = {**layers[0], "annotations": {}}
    config, weights = (server.layer(files[name], "x", title=name) for name in (CONFIG, WEIGHTS))

    def changed(repository: str, change: object = None, **response: object) -> str:
        src = server.push(server_layers(repository), repository)
        blob = f"/v2/{repository}/blobs/{sha256(files[WEIGHTS])}"
        server.files[blob] = Response(**{"body": files[WEIGHTS], **response})
        return src

    def server_layers(repository: str) -> list[dict]:
        return [server.layer(content, "x", repository, title=name) for name, content in files.items()]

    def answered(repository: str, response: Response) -> str:
        src = server.push(layers, repository)
        server.files[src.replace(f"oci://{server.host}/", "/v2/").replace("@", "/manifests/")] = response
        return src

    bomb = gzipped({CONFIG: files[CONFIG], WEIGHTS: bytes(8 * LIMIT)})
    flipped = bytes([files[WEIGHTS][0] ^ 1]) + files[WEIGHTS][1:]
    outside = {"Location": "http://elsewhere.invalid/blob"}
    index = json.dumps({"manifests": [{"digest": sha256(b"a"), "size": 1}, {"digest": sha256(b"b"), "size": 1}]})
    loop = json.dumps({"mediaType": INDEX, "manifests": [{"digest": sha256(b"a"), "size": 1}]}).encode()
    invalid = "artifact_invalid"
    return {
        "other manifest": (answered("a", Response(b'{"layers": []}')), invalid, "answers with the manifest sha256:"),
        "page as manifest": (answered("b", Response(b"<html>")), invalid, "answers with the manifest sha256:"),
        "huge manifest": (answered("c", Response(bytes(5 << 20))), invalid, "has more than 4194304 bytes"),
        "endless manifest": (answered("d", Response(endless=True)), invalid, "has more than 4194304 bytes"),
        "no manifest": (answered("e", Response(status=404)), "artifact_not_found", "the server answered 404"),
        "failing registry": (answered("f", Response(status=500)), "download_failed", "the server answered 500"),
        "media type": (server.push(layers, mediaType="application/json"), invalid, "none of an OCI artifact"),
        "no JSON": (server.push_manifest(b"\xff{"), invalid, "is not JSON"),
        "deep JSON": (server.push_manifest(b'{"layers":' + b"[" * 10**5), invalid, "is not JSON"),
        "no layers": (server.push_manifest(b'{"layers": {}}'), invalid, "has no list of layers"),
        "size": (server.push([{**config, "size": "1"}]), invalid, "has a layer without size and sha256 digest"),
        "digest": (server.push([{**config, "digest": "../../etc"}]), invalid, "without size and sha256 digest"),
        "huge claim": (server.push([config, {**weights, "size": 10**15}]), invalid, "more than 1048576"),
        "two manifests": (server.push_manifest(index.encode()), invalid, "has 2 manifests"),
        "lost manifest": (server.push_manifest(loop), "artifact_not_found", "answered 404"),
        "unnamed layer": (server.push([other]), invalid, "no file name"),
        "empty": (server.push([]), invalid, "names no file of an adapter"),
        "other files": (
            server.push(server.files_as_layers({"README.md": b"x"})),
            invalid,
            "adapter_config.json is missing",
        ),
        "parent": (server.push([server.layer(b"x", "x", title=f"../{CONFIG}")]), invalid, "leaves the archive by '..'"),
        "absolute": (server.push([server.layer(b"x", "x", title="/etc/passwd")]), invalid, "an absolute name"),
        "twice": (server.push([config, weights, config]), invalid, "more than once"),
        "link": (
            server.push([server.layer(tar_of(files, tar_entry("l", type=b"2", linkname="/etc")), TAR)]),
            invalid,
            "which is a link",
        ),
        "bomb": (server.push([server.layer(bomb, TAR_GZIP)]), invalid, "more than 1048576 bytes"),
        "zstd": (server.push([server.layer(b"\x28\xb5\x2f\xfd..", TAR)]), invalid, "zstd|damaged"),
        "no archive": (server.push([server.layer(b"text", TAR)]), invalid, "damaged"),
        "missing layer": (changed("g", status=404), "artifact_not_found", "answered 404"),
        "other layer": (changed("h", body=flipped), invalid, "the source has other bytes"),
        "longer layer": (changed("i", body=files[WEIGHTS] + b"x"), invalid, "more bytes of the layer 'adapter_model"),
        "endless layer": (changed("j", endless=True), invalid, "more bytes of the layer 'adapter_model"),
        "cut layer": (
            changed("k", claimed=len(files[WEIGHTS]) + 9, body=b"cut"),
            "download_failed|artifact_invalid",
            "",
        ),
        "http": (changed("l", status=302, headers=outside), "download_failed", "which is not https"),
        "nowhere": (changed("m", status=302), "download_failed", "redirects to no usable address"),
        "circle": (
            changed("n", status=302, headers={"Location": f"/v2/n/blobs/{sha256(files[WEIGHTS])}"}),
            "download_failed",
            "redirects more than 5 times",
        ),
        "401": (changed("o", status=401), "unauthorized", "asks for no login that is supported"),
        "403": (changed("p", status=403), "forbidden", "answered 403"),
        "endless 401": (
            changed("q", status=401, headers={"WWW-Authenticate": f'Bearer realm="{server.url}/token"'}),
            "unauthorized",
            "answered 401",
        ),
        "no token": (
            changed("r", status=401, headers={"WWW-Authenticate": f'Bearer realm="{server.url}/none"'}),
            "unauthorized",
            "that gives tokens answered 404",
        ),
        "huge token": (
            changed("s", status=401, headers={"WWW-Authenticate": f'Bearer realm="{server.url}/huge"'}),
            "download_failed",
            "answered with none",
        ),
        "token over http": (
            changed("t", status=401, headers={"WWW-Authenticate": 'Bearer realm="http://elsewhere.invalid/token"'}),
            "download_failed",
            "which is not https",
        ),
        "unasked part": (changed("u", status=206), "download_failed", "answered 206"),
    }


def test_bad_registries_stage_nothing(server: ArtifactServer, adapter: Path, store: Path) -> None:
    files = files_of(adapter)
    server.files["/token"] = Response(b'{"token": "useless"}')
    server.files["/huge"] = Response(endless=True)
    cases = bad_registry(server, files)
    assert len(cases) > 30
    for name, (src, code, words) in cases.items():
        with pytest.raises(VllmError) as refused:
            fetch(server, src, store)
        message = refused.value.message
        assert refused.value.code in code.split("|"), (name, message)
        assert any(word in message for word in words.split("|")), (name, message)
        assert [path.name for path in (store / "sql").iterdir() if not path.name.startswith(".")] == [], name


@pytest.mark.parametrize(
    ("response", "code", "words"),
    [
        (Response(b"<html>Welcome"), "artifact_invalid", "damaged"),
        (Response(gzipped({"README.md": b""})), "artifact_invalid", "adapter_config.json is missing"),
        (Response(endless=True), "artifact_invalid", "has more than 1048576 bytes"),
        (Response(bytes(1), claimed=10**15), "artifact_invalid", "has more than 1048576 bytes"),
        (Response(status=401), "unauthorized", "answered 401"),
        (Response(status=301, headers={"Location": "https://user:pw@evil.invalid/"}), "download_failed", "no usable"),
        (Response(status=301, headers={"Location": "file:///etc/passwd"}), "download_failed", "no usable"),
        (Response(status=503), "download_failed", "answered 503"),
    ],
)
def test_bad_web_servers_stage_nothing(
    server: ArtifactServer, store: Path, response: Response, code: str, words: str
) -> None:
    server.files["/sql.tar.gz"] = response
    with pytest.raises(VllmError) as refused:
        fetch(server, f"{server.url}/sql.tar.gz?key={SECRET}", store, digest=sha256(b""))
    assert (refused.value.code, words in refused.value.message) == (code, True), refused.value.message
    assert SECRET not in refused.value.message
    assert [path.name for path in (store / "sql").iterdir() if not path.name.startswith(".")] == []


def test_a_body_that_trickles_is_given_up(server: ArtifactServer) -> None:
    server.files["/sql.tar.gz"] = Response(trickles=True)
    url = f"{server.url}/sql.tar.gz?key={SECRET}"
    with Web(limit=0.2).ask(url, "download adapter 'sql'", {}) as reply, pytest.raises(VllmError) as refused:
        list(reply.pieces())
    assert refused.value.code == "download_failed"
    assert f"{server.url}/sql.tar.gz: no full answer within 0.2 seconds;" in refused.value.message


def test_proxies_are_those_of_the_environment(
    server: ArtifactServer, adapter: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    archive = gzipped(files_of(adapter))
    address = "http://files.invalid/sql.tar.gz"
    server.files[address] = Response(archive)
    options = {"checksum": sha256(archive), "source_plain_http": ["files.invalid"]}
    with pytest.raises(VllmError) as refused:
        fetch(server, address, store, source_use_proxy=False, **options)
    assert (refused.value.code, server.log) == ("download_failed", [])
    assert fetch(server, address, store, **options)["changed"] is True
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nothing.pem")
    with pytest.raises(VllmError, match="REQUESTS_CA_BUNDLE is") as unusable:
        fetch(server, "https://files.invalid/sql.tar.gz", store / "other", digest=sha256(b""))
    assert unusable.value.code == "invalid_request"


@pytest.mark.parametrize(
    ("src", "words"),
    [
        ("https://host/file", "neither digest nor checksum is given"),
        ("https://user:secret@host/file", "has a user or password in it"),
        ("https://ho st/file", "is not a URL"),
        ("https:///file", "names no host"),
        ("https://host/file#part", "has a query or a fragment"),
        ("s3://bucket/file", "whose scheme is none of https and oci"),
        ("http://host.example/file", "plain http is not allowed"),
        ("oci://host/repository", "does not name the digest"),
        ("oci://host/repository:latest", "does not name the digest"),
        ("oci://host/repository@sha256:12", "does not name the digest"),
        ("oci://host/../../x@" + "sha256:" + "0" * 64, "names no repository"),
    ],
)
def test_addresses_that_cannot_be_used(server: ArtifactServer, store: Path, src: str, words: str) -> None:
    options = {} if words.startswith("neither") else {"digest": sha256(b"")}
    with pytest.raises(VllmError) as refused:
        fetch(server, src, store, **options)
    assert refused.value.code == "invalid_request"
    assert words in refused.value.message
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    ("mirrors", "words"),
    [
        ({"https://origin.invalid/": "https://mirror/"}, "is no list of addresses"),
        ({"https://origin.invalid/": []}, "is no list of addresses"),
        ({"https://origin.invalid/": ["oci://mirror/x"]}, "does not name the digest"),
        ({"https://origin.invalid/": ["mirror/"]}, "whose scheme is none of"),
    ],
)
def test_mirrors_that_make_no_sense(server: ArtifactServer, store: Path, mirrors: dict, words: str) -> None:
    with pytest.raises(VllmError) as refused:
        fetch(server, "https://origin.invalid/file", store, source_mirrors=mirrors, digest=sha256(b""))
    assert (refused.value.code, words in refused.value.message) == ("invalid_request", True), refused.value.message
