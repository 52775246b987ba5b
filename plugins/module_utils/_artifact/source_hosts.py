# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the hosts that artifacts are downloaded from: redirects, refusals, credentials and the tokens of registries."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from urllib.parse import urlencode, urljoin, urlsplit

from .._adapters.source import RemoteSource, is_plain
from .._errors import VllmError, quoted
from .._http.download import Reply, Web
from .._vllm.endpoint import is_loopback_host
from .source_credentials import HUB, HUB_REGISTRY, Credential, Credentials

_MAX_REDIRECTS = 5
_MAX_TOKEN = 1 << 16  # bytes of an answer that holds a token
_REDIRECTS = (301, 302, 303, 307, 308)
_CHALLENGE = re.compile(r'(\w+)\s*=\s*"([^"]*)"')
_HOST_HINT = "use another source, or a mirror by source_mirrors"
_KEY_HINT = "give a credential that may read it by source_credentials or an auth file"


class Hosts:
    """Sends GET requests for one artifact.

    :param name: of the adapter, for sentences.
    :param plain_http: hosts that may be asked without TLS. Loopback may be if the declared address says http.
    """

    def __init__(self, name: str, web: Web, credentials: Credentials, plain_http: Collection[str]) -> None:
        self.attempt = f"download adapter {quoted(name)}"
        self._web = web
        self._credentials = credentials
        self._plain_http = plain_http
        self._authorization: dict[tuple[str, str], str] = {}

    def base_of(self, source: RemoteSource) -> str:
        """Return the address of the API of a registry."""
        host = HUB_REGISTRY if source.host == HUB else source.host
        return f"http{'' if is_plain(host, self._plain_http) else 's'}://{host}/v2/{source.repository}/"

    # The pylint of ansible-test does not see that the outer context ends the inner one.
    # That of older releases does not know this check.
    # pylint: disable=unknown-option-value
    # pylint: disable=contextmanager-generator-missing-cleanup

    @contextlib.contextmanager
    def open_archive(self, source: RemoteSource, headers: Mapping[str, str]) -> Iterator[Reply]:
        """Yield the answer for an archive.

        :raises VllmError: if it is a refusal, or there is none.
        """
        credential = self._credentials.declared(source.host)
        with self._followed(source.url, headers, credential.header if credential else "") as reply:
            if reply.status in (401, 403):
                raise self._refused(reply, credential, "")
            yield self._checked(reply)

    @contextlib.contextmanager
    def open_registry(self, source: RemoteSource, path: str, headers: Mapping[str, str]) -> Iterator[Reply]:
        """Yield the answer for a file of a registry. If the registry wants it, the request is sent again with a token.

        :param path: below the repository, such as ``blobs/sha256:...``.
        :raises VllmError: if it is a refusal, or there is none.
        """
        url = self.base_of(source) + path
        host = urlsplit(url).netloc
        key = (host, source.repository)
        asked_for = ""
        with self._followed(url, headers, self._authorization.get(key, "")) as reply:
            if reply.status != 401:
                yield self._checked(reply)
                return
            asked_for = reply.header("WWW-Authenticate")
        self._authorization[key] = self._authorized(url, asked_for, host, source.repository)
        with self._followed(url, headers, self._authorization[key]) as reply:
            if reply.status == 401:
                credential = self._credentials.of_registry(host, source.repository)
                raise self._refused(reply, credential, "" if credential else self._credentials.helper_note(host))
            yield self._checked(reply)

    @contextlib.contextmanager
    def _followed(self, url: str, headers: Mapping[str, str], authorization: str) -> Iterator[Reply]:
        """Yield the first answer that is no redirect. Another host does not get the credential."""
        first = url
        for _count in range(_MAX_REDIRECTS + 1):
            self._require_allowed(url, first)
            sent = {**headers, **({"Authorization": authorization} if authorization else {})}
            with self._web.ask(url, self.attempt, sent) as reply:
                if reply.status not in _REDIRECTS:
                    yield reply
                    return
                target = self._target(reply, url)
            if _origin(target) != _origin(url):
                authorization = ""
            url = target
        problem = f"it redirects more than {_MAX_REDIRECTS} times"
        raise VllmError("download_failed", problem, _HOST_HINT, self.attempt, _shown(first))

    def _target(self, reply: Reply, url: str) -> str:
        try:
            target = urljoin(url, reply.header("Location"))
            parts = urlsplit(target)
            parts.port  # noqa: B018  reading the port checks it
            if not reply.header("Location") or not parts.hostname or "@" in parts.netloc:
                raise ValueError("no address")
        except ValueError:
            raise VllmError(
                "download_failed", "it redirects to no usable address", _HOST_HINT, self.attempt, reply.url
            ) from None
        return target

    def _require_allowed(self, url: str, first: str) -> None:
        """Refuse an address without TLS, unless the operator has allowed it."""
        parts = urlsplit(url)
        if parts.scheme == "https":
            return
        is_named_so = is_loopback_host(parts.hostname or "") and urlsplit(first).scheme == "http"
        if parts.scheme == "http" and (is_named_so or is_plain(parts.netloc.lower(), self._plain_http)):
            return
        if url == first:
            problem = f"src is {quoted(_shown(url))}, and plain http is not allowed for this host"
            hint = "use https, or name the host in source_plain_http"
            raise VllmError("invalid_request", problem, hint, self.attempt)
        problem = f"it redirects to {quoted(_shown(url))}, which is not https"
        raise VllmError("download_failed", problem, _HOST_HINT, self.attempt, _shown(first))

    def _authorized(self, url: str, challenge: str, host: str, repository: str) -> str:
        """Return the header ``Authorization`` that the challenge of a registry asks for."""
        credential = self._credentials.of_registry(host, repository)
        scheme, _space, rest = challenge.partition(" ")
        parameters = {name.lower(): value for name, value in _CHALLENGE.findall(rest)}
        if credential and credential.username is None and not credential.identity_token:
            return credential.header
        if scheme.lower() == "bearer" and parameters.get("realm"):
            return "Bearer " + self._token(url, host, repository, parameters, credential)
        if scheme.lower() == "basic" and credential and credential.header:
            return credential.header
        problem = "the server answered 401"
        if scheme.lower() not in ("basic", "bearer"):
            problem += " and asks for no login that is supported here (Basic or Bearer)"
        note = "" if credential else self._credentials.helper_note(host)
        raise VllmError("unauthorized", _joined(problem, note), _KEY_HINT, self.attempt, _shown(url), 401)

    def _token(
        self, url: str, host: str, repository: str, parameters: Mapping[str, str], credential: Credential | None
    ) -> str:
        """Return a token of the server that the registry names. Another host than the registry gets no credential of the registry."""
        realm = urljoin(url, parameters["realm"])
        self._require_realm(realm, url)
        issuer = urlsplit(realm).netloc.lower()
        if issuer != host:
            own = self._credentials.of_registry(issuer)
            if credential and not own:
                problem = f"the registry wants a token from {quoted(issuer)}, which does not get the credential of {quoted(host)}"
                hint = f"if that is right, add an entry for {issuer} to source_credentials"
                raise VllmError("unauthorized", problem, hint, self.attempt, _shown(url), 401)
            credential = own
        query = {"service": parameters.get("service", ""), "scope": f"repository:{repository}:pull"}
        if credential and credential.identity_token:
            form = {**query, "grant_type": "refresh_token", "client_id": "sovereign.vllm"}
            return self._answered_token(realm, {}, urlencode({**form, "refresh_token": credential.identity_token}))
        headers = {"Authorization": credential.header} if credential else {}
        return self._answered_token(realm + ("&" if "?" in realm else "?") + urlencode(query), headers, None)

    def _require_realm(self, realm: str, url: str) -> None:
        parts = urlsplit(realm)
        is_fine = parts.scheme == "https" or (
            parts.scheme == "http" and is_plain(parts.netloc.lower(), self._plain_http)
        )
        if not is_fine or not parts.hostname or "@" in parts.netloc:
            problem = f"the registry wants a token from {quoted(_shown(realm))}, which is not https"
            raise VllmError("download_failed", problem, _HOST_HINT, self.attempt, _shown(url), 401)

    def _answered_token(self, url: str, headers: Mapping[str, str], body: str | None) -> str:
        with self._web.ask(url, self.attempt, headers, body) as reply:
            if reply.status != 200:
                problem = f"the server that gives tokens answered {reply.status}"
                code = "unauthorized" if 400 <= reply.status < 500 and reply.status != 429 else "download_failed"
                raise VllmError(code, problem, _KEY_HINT, self.attempt, reply.url, reply.status)
            content = read_all(reply, _MAX_TOKEN)
        try:
            found = json.loads(content or b"")
            token = found.get("token") or found.get("access_token")
            if not isinstance(token, str) or not token.isascii() or not token.isprintable():
                raise ValueError("no token")
        except (ValueError, AttributeError, RecursionError):
            problem = "the server that gives tokens answered with none"
            raise VllmError("download_failed", problem, _HOST_HINT, self.attempt, reply.url, 200) from None
        return token

    def _checked(self, reply: Reply) -> Reply:
        """Return an answer with content; others are errors."""
        if reply.status in (200, 206, 416):
            return reply
        if reply.status in (401, 403):
            raise self._refused(reply, None, "")
        problem = f"the server answered {reply.status}"
        if reply.status in (404, 410):
            hint = "check the address, and that the file was not removed"
            raise VllmError("artifact_not_found", problem, hint, self.attempt, reply.url, reply.status)
        hint = "try again later, or use a mirror by source_mirrors"
        raise VllmError("download_failed", problem, hint, self.attempt, reply.url, reply.status)

    def _refused(self, reply: Reply, credential: Credential | None, note: str) -> VllmError:
        problem = f"the server answered {reply.status}" + (" to the given credential" if credential else "")
        code = "unauthorized" if reply.status == 401 else "forbidden"
        return VllmError(code, _joined(problem, note), _KEY_HINT, self.attempt, reply.url, reply.status)


def read_all(reply: Reply, limit: int) -> bytes | None:
    """Return the body, or None if it has more bytes than the limit."""
    content = bytearray()
    for piece in reply.pieces():
        content += piece
        if len(content) > limit:
            return None
    return bytes(content)


def ranged(start: int) -> dict[str, str]:
    """Return the headers that ask for the rest of a file."""
    return {"Range": f"bytes={start}-"} if start else {}


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def _shown(url: str) -> str:
    return url.partition("?")[0]


def _joined(problem: str, note: str) -> str:
    return f"{problem}; {note}" if note else problem
