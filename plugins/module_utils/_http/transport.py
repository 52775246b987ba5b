# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send one HTTP request with requests' urllib3 and return its answer, or the reason why there is none."""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from .._errors import VllmError
from .._vllm.answers import GUARD_HEADER, Answer
from .._vllm.endpoint import Authorities, Endpoint, authorities, proxy_of
from .._vllm.no_answer import (
    CLOSED,
    NO_ANSWER_IN_TIME,
    NO_CONNECTION,
    NO_CONNECTION_IN_TIME,
    NO_SUCH_HOST,
    NO_TLS,
    NOT_DECOMPRESSED,
    PROXY_FAILED,
    REFUSED,
    TOO_LARGE,
    NoAnswer,
    causes_of,
    explain,
)
from .certificates import new_context

REQUESTS_IMPORT_ERROR: str | None = None
#: What a request can raise; :func:`no_answer` explains it.
PROBLEMS: tuple[type[Exception], ...] = ()
try:
    import requests
    import urllib3  # requests is built on it
    from requests.adapters import HTTPAdapter
    from requests.cookies import RequestsCookieJar, extract_cookies_to_jar, get_cookie_header

    PROBLEMS = (urllib3.exceptions.HTTPError,)
except ImportError:
    HTTPAdapter = object  # type: ignore[assignment, misc]  # a stand-in for the class below: nothing is sent without requests
    REQUESTS_IMPORT_ERROR = traceback.format_exc()


_T = TypeVar("_T")


class DeadlinePassed(Exception):
    """The call took too long."""


def call_within(seconds: float, call: Callable[[], _T]) -> _T:
    """Return the result of ``call``, or raise its exception.

    A call that takes longer goes on in a daemon thread until its own time-outs: nothing can stop a blocked name look-up.

    :raises DeadlinePassed: when it takes longer than ``seconds``.
    """
    outcome: list = []

    def run() -> None:
        try:
            outcome.append((call(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise DeadlinePassed()
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


#: Bytes. The cards of 10,000 adapters take about 6 MB.
BODY_LIMIT = 32 * 1024 * 1024
_CHUNK = 16 * 1024
# Lets the more precise time-outs of the socket come first.
_GRACE = 0.2
PROBLEMS += (OSError, ValueError, DeadlinePassed, NoAnswer)


def no_answer(problem: Exception) -> NoAnswer:
    """Return the reason for an exception. A time-out while connecting is a time-out as well, so it stands first."""
    broken = urllib3.exceptions
    causes = tuple(causes_of(problem))
    # urllib3 1 counts a connection that cannot be made as a time-out.
    unconnected = any(isinstance(cause, broken.NewConnectionError) for cause in causes)
    table = (
        (broken.DecodeError, NOT_DECOMPRESSED),
        (() if unconnected else broken.ConnectTimeoutError, NO_CONNECTION_IN_TIME),
        ((broken.ReadTimeoutError, DeadlinePassed, socket.timeout), NO_ANSWER_IN_TIME),
        (broken.ProxyError, replace(PROXY_FAILED, unsent=_stopped_at_proxy(causes))),
        (broken.SSLError, NO_TLS),
        (socket.gaierror, NO_SUCH_HOST),
        (ConnectionRefusedError, REFUSED),
        (broken.NewConnectionError, NO_CONNECTION),
        (broken.ProtocolError, CLOSED),
    )
    return explain(causes, table)


def _stopped_at_proxy(causes: Sequence[BaseException]) -> bool:
    """Whether the request certainly did not pass the proxy: plain http is passed on at once, and any later loss of the
    connection is called a proxy error as well (urllib3 1.26 to 2)."""
    unconnected = urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError
    never_left = (socket.gaierror, ConnectionRefusedError, *unconnected)
    return any(isinstance(cause, never_left) or "Tunnel connection failed" in str(cause) for cause in causes)


class _Tls(HTTPAdapter):
    """Speaks TLS with one context, which decides everything."""

    def __init__(self, context: ssl.SSLContext) -> None:
        if urllib3.__version__.startswith("1."):  # type: ignore[attr-defined]  # urllib3 2 declares no such name
            # urllib3 1 gives OpenSSL no address, and compares the certificate with the address itself if this is off.
            context.check_hostname = False
        self._tls_options: dict[str, Any] = {"ssl_context": context, "cert_reqs": context.verify_mode}
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **self._tls_options, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        if proxy.lower().startswith("https:"):
            options["proxy_ssl_context"] = self._tls_options["ssl_context"]
        return super().proxy_manager_for(proxy, **self._tls_options, **options)


def silence_warnings(endpoint: Endpoint) -> None:
    """Keep urllib3 from warning of what the user has asked for: in Ansible's worker each warning would be three lines."""
    if not endpoint.validate_certs:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


def connected(
    endpoint: Endpoint, context_of: Callable[[Endpoint, Sequence[Authorities]], ssl.SSLContext] = new_context
) -> tuple[HTTPAdapter, Any]:
    """Return an adapter for an endpoint, and urllib3's manager of its proxy if it has one, else None.

    It chooses the proxy and the authorities. What a netrc file holds for the host is not sent.

    :raises NoAnswer: if a file of certificates cannot be used.
    """
    proxy = proxy_of(endpoint, os.environ)
    if any(url.lower().startswith("https:") for url in (endpoint.base_url, proxy or "")):
        adapter: HTTPAdapter = _Tls(context_of(endpoint, authorities(endpoint.ca_path, os.environ)))
    else:
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=1)
    return adapter, adapter.proxy_manager_for(proxy) if proxy else None


class Transport:
    """A keep-alive connection with one server.

    The connections of requests' adapter are used without a session of requests, which takes more time than the request.

    :param within: runs a call and raises :class:`DeadlinePassed` if it takes longer than some seconds.
    :param context_of: makes the TLS context, see :func:`new_context`.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        within: Callable[[float, Callable[[], Answer]], Answer] = call_within,
        context_of: Callable[[Endpoint, Sequence[Authorities]], ssl.SSLContext] = new_context,
    ) -> None:
        self._endpoint = endpoint
        self._within = within
        self._context_of = context_of
        self._headers = {"User-Agent": "sovereign.vllm", "Accept": "*/*", "Accept-Encoding": "identity"}
        if endpoint.api_key:
            self._headers["Authorization"] = f"Bearer {endpoint.api_key}"
        silence_warnings(endpoint)
        self._adapter: HTTPAdapter | None = None
        self._send: Any = None
        self._cookies: RequestsCookieJar | None = None
        self._attempt: tuple[str, str, float, float] = ("", "", 0, 0)

    def close(self) -> None:
        if self._adapter:
            self._adapter.close()

    def request(self, method: str, path: str, attempt: str, limit: float, payload: dict | None = None) -> Answer:
        """Send one request.

        :param attempt: what it is for, for the error sentence.
        :param limit: seconds for the whole answer.
        :param payload: sent as JSON.
        :raises VllmError: when no usable HTTP answer came.
        """
        url = self._endpoint.base_url + path
        limits = (limit, min(self._endpoint.connect_timeout, limit))
        self._attempt = (attempt, url, *limits)
        try:
            return self._within(limit + _GRACE, lambda: self._exchange(method, url, limits, payload))
        except PROBLEMS as problem:
            raise no_answer(problem).error(attempt, url, *limits) from None

    def overdue(self) -> VllmError:
        """Return the error of the last request if its time has passed, for those who wait for it in another thread."""
        return no_answer(DeadlinePassed()).error(*self._attempt)

    def _exchange(self, method: str, url: str, limits: tuple[float, float], payload: dict | None) -> Answer:
        limit, connect_limit = limits
        body = None if payload is None else json.dumps(payload).encode("utf-8")
        if not self._send:
            self._connect()
        response = self._send(
            method,
            url,
            body=body,
            headers=self._headers_for(method, url, payload is not None),
            timeout=urllib3.Timeout(connect=connect_limit, read=limit),
            # Neither redirects are followed nor requests repeated.
            retries=False,
            redirect=False,
            preload_content=False,
            enforce_content_length=True,
        )
        try:
            received = _read(response)
            self._keep_cookies(method, url, response)
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return Answer(
            url,
            response.status,
            received.decode("utf-8", "replace"),
            retry_after=response.headers.get("Retry-After"),
            location=response.headers.get("Location"),
            guard=response.headers.get(GUARD_HEADER),
            secret=self._endpoint.api_key,
        )

    def _connect(self) -> None:
        self._adapter, proxied = connected(self._endpoint, self._context_of)
        if proxied:
            self._send = proxied.request
        else:
            # A manager would look for this pool at each request.
            pool = self._adapter.poolmanager.connection_from_url(self._endpoint.base_url)
            self._send = partial(_request_by_path, pool)

    def _headers_for(self, method: str, url: str, is_json: bool) -> dict[str, str]:
        headers = dict(self._headers)
        if is_json:
            headers["Content-Type"] = "application/json"
        if self._cookies:
            cookie = get_cookie_header(self._cookies, requests.Request(method, url))
            if cookie:
                headers["Cookie"] = cookie
        return headers

    def _keep_cookies(self, method: str, url: str, response: Any) -> None:
        """Keep what a load balancer remembers the server by, so that the next request goes to the same one."""
        if "Set-Cookie" in response.headers:
            self._cookies = self._cookies or RequestsCookieJar()
            extract_cookies_to_jar(self._cookies, requests.Request(method, url), response)


def _request_by_path(pool: Any, method: str, url: str, **options: Any) -> Any:
    return pool.request(method, "/" + url.split("/", 3)[3], **options)


def _read(response: Any) -> bytearray:
    body = bytearray()
    for chunk in response.stream(_CHUNK):
        body += chunk
        if len(body) > BODY_LIMIT:
            raise NoAnswer(TOO_LARGE)
    return body
