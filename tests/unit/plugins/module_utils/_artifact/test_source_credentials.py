# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The credentials of web servers and registries go to their own host alone, and never into a message."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError

from tests.support.archives import files_of, gzipped
from tests.support.artifact_server import ArtifactServer, Response, fetch, sha256

SECRET = "sesame-4711"
BASIC = "Basic " + base64.b64encode(f"robot:{SECRET}".encode()).decode()


def guard(server: ArtifactServer, realm: str = "") -> None:
    """Want a token from `realm`, or a password."""
    challenge = f'Bearer realm="{realm}",service="s",scope="repository:x:pull"' if realm else 'Basic realm="x"'
    wanted = "Bearer t0ken" if realm else BASIC

    def answer(path: str, headers: dict) -> Response | None:
        if path.startswith("/token") or headers.get("Authorization") == wanted:
            return None
        return Response(status=401, headers={"WWW-Authenticate": challenge})

    server.guard = answer


def entry(host: str) -> list[dict]:
    return [{"host": host, "username": "robot", "secret_env": "SESAME"}]


@pytest.fixture
def src(server: ArtifactServer, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SESAME", SECRET)
    return server.push(server.files_as_layers(files_of(adapter)))


@pytest.mark.parametrize("place", ["option", "auth", "identity token"])
@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_login(server: ArtifactServer, src: str, store: Path, scheme: str, place: str) -> None:
    server.files["/token"] = Response(json.dumps({"access_token": "t0ken"}).encode())
    guard(server, f"{server.url}/token" if scheme == "Bearer" else "")
    options: dict = {"source_credentials": entry(server.host)}
    if place != "option":
        held = {"auth": BASIC[6:]} if place == "auth" else {"identitytoken": SECRET}
        (store.parent / "auth.json").write_text(json.dumps({"auths": {f"{server.host}/adapters": held}}))
        options = {"source_auth_file": str(store.parent / "auth.json")}
    if (scheme, place) == ("Basic", "identity token"):
        with pytest.raises(VllmError) as refused:
            fetch(server, src, store, **options)
        assert refused.value.code == "unauthorized"
        assert SECRET not in str(server.log)
        return
    fetch(server, src, store, **options)
    tokens = [one for one in server.log if one[0].startswith("/token")]
    if scheme == "Bearer":
        # One token is enough for all layers.
        ((path, headers, body),) = tokens
        if place == "identity token":
            assert f"refresh_token={SECRET}" in body
        else:
            assert "scope=repository%3Aadapters%2Fsql%3Apull" in path
            assert headers["Authorization"] == BASIC


def test_wrong_login(
    server: ArtifactServer, src: str, store: Path, monkeypatch: pytest.MonkeyPatch, adapter: Path
) -> None:
    guard(server)
    server.files["/sql.tar.gz"] = Response(gzipped(files_of(adapter)))
    monkeypatch.setenv("SESAME", "wrong-0815")
    for address in (src, f"{server.url}/sql.tar.gz"):
        with pytest.raises(VllmError) as refused:
            fetch(server, address, store, source_credentials=entry(server.host), digest=sha256(b""))
        assert refused.value.code == "unauthorized"
        assert "to the given credential" in refused.value.message
        assert "0815" not in refused.value.message


def test_redirect_to_another_host_carries_no_credential(
    server: ArtifactServer, src: str, adapter: Path, store: Path
) -> None:
    archive = gzipped(files_of(adapter))
    with ArtifactServer() as other:
        other.files["/sql.tar.gz"] = Response(archive)
        server.files["/sql.tar.gz"] = Response(status=307, headers={"Location": f"{other.url}/sql.tar.gz"})
        options = {"checksum": sha256(archive), "source_credentials": entry(server.host)}
        fetch(server, f"{server.url}/sql.tar.gz", store, **options)
        assert server.log[0][1]["Authorization"] == BASIC
        assert "Authorization" not in other.log[0][1]


def test_token_server_on_another_host_gets_no_credential(server: ArtifactServer, src: str, store: Path) -> None:
    with ArtifactServer() as other:
        other.files["/token"] = Response(b'{"token": "t0ken"}')
        guard(server, f"{other.url}/token")
        options = {"source_plain_http": [server.host, other.host]}
        with pytest.raises(VllmError) as refused:
            fetch(server, src, store, source_credentials=entry(server.host), **options)
        assert (refused.value.code, other.log) == ("unauthorized", [])
        assert f"add an entry for {other.host} to source_credentials" in refused.value.message
        # Without a login, and with one of its own, it is asked.
        fetch(server, src, store / "anonymous", **options)
        assert "Authorization" not in other.log[0][1]
        both = [*entry(server.host), *entry(other.host)]
        fetch(server, src, store / "own", source_credentials=both, **options)
        assert other.log[1][1]["Authorization"] == BASIC


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        ("{", "invalid_request", "is not JSON of such a file"),
        ('{"auths": {"HOST": {"auth": "***"}}}', "invalid_request", "is not base64 of a name and a password"),
        ('{"credsStore": "desktop", "auths": {"HOST": {}}}', "unauthorized", "helpers are not run"),
        ('{"credHelpers": {"HOST": "gcloud"}}', "unauthorized", "helpers are not run"),
        ('{"auths": {}}', "unauthorized", "the server answered 401"),
        (None, "invalid_request", "does not exist"),
    ],
)
def test_auth_file_that_does_not_help(
    server: ArtifactServer, src: str, store: Path, content: str | None, code: str, words: str
) -> None:
    guard(server)
    file = store.parent / "config.json"
    if content is not None:
        file.write_text(content.replace("HOST", server.host))
    with pytest.raises(VllmError) as refused:
        fetch(server, src, store, source_auth_file=str(file))
    assert (refused.value.code, words in refused.value.message) == (code, True), refused.value.message


def test_variable_that_is_not_set(
    server: ArtifactServer, src: str, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard(server)
    monkeypatch.delenv("SESAME")
    with pytest.raises(VllmError, match="'SESAME', which is not set"):
        fetch(server, src, store, source_credentials=entry(server.host))
