# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send one HTTP request with requests and return its answer, or the reason why there is none."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from .._vllm.answers import Answer
from .._vllm.endpoint import Endpoint, authorities, proxy_of
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
try:
    import requests
    import urllib3  # requests is built on it
    from requests.adapters import HTTPAdapter
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
_PROBLEMS = (OSError, ValueError, DeadlinePassed, NoAnswer)


def _no_answer(problem: Exception) -> NoAnswer:
    """Return the reason for an exception. A time-out while connecting is a time-out as well, so it stands first."""
    broken = requests.exceptions
    causes = tuple(causes_of(problem))
    table = (
        (broken.ContentDecodingError, NOT_DECOMPRESSED),
        (broken.SSLError, NO_TLS),
        (broken.ConnectTimeout, NO_CONNECTION_IN_TIME),
        ((broken.Timeout, DeadlinePassed, socket.timeout), NO_ANSWER_IN_TIME),
        (broken.ProxyError, replace(PROXY_FAILED, unsent=_stopped_at_proxy(causes))),
        (socket.gaierror, NO_SUCH_HOST),
        (ConnectionRefusedError, REFUSED),
        (urllib3.exceptions.NewConnectionError, NO_CONNECTION),
        ((broken.ConnectionError, broken.ChunkedEncodingError), CLOSED),
    )
    return explain(causes, table)


def _stopped_at_proxy(causes: Sequence[BaseException]) -> bool:
    """Whether the request certainly did not pass the proxy: plain http is passed on at once, and any later loss of the
    connection is called a proxy error as well (urllib3 1.26 to 2)."""
    unconnected = urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError
    never_left = (socket.gaierror, ConnectionRefusedError, *unconnected)
    return any(isinstance(cause, never_left) or "Tunnel connection failed" in str(cause) for cause in causes)


class _Tls(HTTPAdapter):
    """Speaks TLS with one context, which decides everything. Options of requests for certificates are ignored."""

    def __init__(self, context: ssl.SSLContext) -> None:
        if urllib3.__version__.startswith("1."):  # type: ignore[attr-defined]  # urllib3 2 declares no such name
            # urllib3 1 gives OpenSSL no address, and compares the certificate with the address itself if this is off.
            context.check_hostname = False
        self._tls_options: dict[str, Any] = {"ssl_context": context, "cert_reqs": context.verify_mode}
        super().__init__()

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **self._tls_options, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        if proxy.lower().startswith("https:"):
            options["proxy_ssl_context"] = self._tls_options["ssl_context"]
        return super().proxy_manager_for(proxy, **self._tls_options, **options)

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        """Requests 2.32 and later call this, and would choose a context or files of their own."""
        proxy = requests.utils.select_proxy(request.url, proxies)
        if proxy:
            manager = self.proxy_manager_for(requests.utils.prepend_scheme_if_needed(proxy, "http"))
        else:
            manager = self.poolmanager
        return manager.connection_from_url(request.url)

    # The name in 2.32.0 and 2.32.1.
    _get_connection = get_connection_with_tls_context

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave everything to the context."""


class Transport:
    """A keep-alive session with one server."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._session = requests.Session()
        # The proxy and the authorities are chosen here, and what a netrc file holds for the host must not be sent.
        self._session.trust_env = False
        self._session.headers.update({"User-Agent": "sovereign.vllm", "Accept-Encoding": "identity"})
        if endpoint.api_key:
            self._session.headers["Authorization"] = f"Bearer {endpoint.api_key}"
        if not endpoint.validate_certs:
            # The user has asked for it; in Ansible's worker each warning would be three lines on the screen.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._needs_context = endpoint.base_url.startswith("https:")

    def close(self) -> None:
        self._session.close()

    def request(self, method: str, path: str, attempt: str, limit: float, payload: dict | None = None) -> Answer:
        """Send one request.

        :param attempt: what it is for, for the error sentence.
        :param limit: seconds for the whole answer.
        :param payload: sent as JSON.
        :raises VllmError: when no usable HTTP answer came.
        """
        url = self._endpoint.base_url + path
        limits = (limit, min(self._endpoint.connect_timeout, limit))
        try:
            return call_within(limit + _GRACE, lambda: self._exchange(method, url, limits, payload))
        except _PROBLEMS as problem:
            raise _no_answer(problem).error(attempt, url, *limits) from None

    def _exchange(self, method: str, url: str, limits: tuple[float, float], payload: dict | None) -> Answer:
        endpoint, (limit, connect_limit) = self._endpoint, limits
        if self._needs_context:
            trusted = authorities(endpoint.ca_path, os.environ)
            self._session.mount("https://", _Tls(new_context(endpoint, trusted)))
            self._needs_context = False
        proxy = proxy_of(endpoint, os.environ)
        with self._session.request(
            method,
            url,
            json=payload,
            timeout=(connect_limit, limit),
            proxies={"all": proxy} if proxy else None,
            allow_redirects=False,
            stream=True,
        ) as response:
            body = bytearray()
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if len(body) > BODY_LIMIT:
                    raise NoAnswer(TOO_LARGE)
            return Answer(
                url,
                response.status_code,
                body.decode("utf-8", "replace"),
                retry_after=response.headers.get("Retry-After"),
                location=response.headers.get("Location"),
                secret=endpoint.api_key,
            )
