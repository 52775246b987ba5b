# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a model list, or what confirms it, with one request over aiohttp."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.abc import AbstractResolver
from sovereign_vllm.plugins.module_utils._http.certificates import new_context
from sovereign_vllm.plugins.module_utils._vllm.answers import Answer
from sovereign_vllm.plugins.module_utils._vllm.endpoint import Endpoint, authorities, proxy_of
from sovereign_vllm.plugins.module_utils._vllm.model_list import ATTEMPT
from sovereign_vllm.plugins.module_utils._vllm.no_answer import (
    CLOSED,
    NO_ANSWER_IN_TIME,
    NO_CONNECTION,
    NO_CONNECTION_IN_TIME,
    NO_SUCH_HOST,
    NO_TLS,
    NOT_HTTP,
    PROXY_FAILED,
    REFUSED,
    TOO_LARGE,
    NoAnswer,
    causes_of,
    explain,
)
from yarl import URL

if TYPE_CHECKING:
    from aiohttp.abc import ResolveResult  # aiohttp 3.10 and later

#: Bytes. The cards of 10,000 adapters take about 6 MB, and hundreds of endpoints are read at once.
BODY_LIMIT = 8 * 1024 * 1024
_RESOLVING_THREADS = 256
# The order counts: the more precise stand first.
_REASONS = (
    # aiohttp raises this for a connection only, since no time-out for a single read is set.
    (aiohttp.ServerTimeoutError, NO_CONNECTION_IN_TIME),
    (asyncio.TimeoutError, NO_ANSWER_IN_TIME),
    (ssl.SSLError, NO_TLS),
    ((aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError), PROXY_FAILED),
    (socket.gaierror, NO_SUCH_HOST),
    (ConnectionRefusedError, REFUSED),
    (ConnectionResetError, CLOSED),
    (aiohttp.ClientConnectorError, NO_CONNECTION),
    (aiohttp.ClientResponseError, NOT_HTTP),
    ((aiohttp.ClientConnectionError, aiohttp.ClientPayloadError), CLOSED),
)
_PROBLEMS = (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError, NoAnswer)


class ModelLists:
    """Reads the model lists of all endpoints; an asynchronous context manager.

    Every request opens its own connection. A server drops an idle one after 5 s (uvicorn's default), and if a request
    met that moment, the server would look dead.
    """

    async def __aenter__(self) -> ModelLists:
        self._tls = _TlsContexts()
        self._session = aiohttp.ClientSession(
            # No limit: dead sites would use it up and delay the others.
            connector=aiohttp.TCPConnector(limit=0, force_close=True, resolver=_Resolver()),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "sovereign.vllm", "Accept": "application/json", "Accept-Encoding": "identity"},
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *unused: object) -> None:
        await self._session.close()

    async def get(self, endpoint: Endpoint, path: str = "/v1/models") -> Answer:
        """Return the answer to a GET of ``path``.

        :raises VllmError: when no usable HTTP answer came.
        """
        return await self._request(endpoint, "GET", path, ATTEMPT)

    async def post(self, endpoint: Endpoint, path: str, payload: Mapping, attempt: str) -> Answer:
        """Return the answer to a POST of ``payload`` to a route that writes nothing.

        :param attempt: names the request in an error.
        :raises VllmError: when no usable HTTP answer came.
        """
        return await self._request(endpoint, "POST", path, attempt, payload)

    async def _request(
        self, endpoint: Endpoint, method: str, path: str, attempt: str, payload: Mapping | None = None
    ) -> Answer:
        url = endpoint.base_url + path
        try:
            return await self._exchange(endpoint, method, url, payload)
        except _PROBLEMS as problem:
            no_answer = explain(tuple(causes_of(problem)), _REASONS)
            raise no_answer.error(attempt, url, endpoint.timeout, endpoint.connect_timeout) from None

    async def _exchange(self, endpoint: Endpoint, method: str, url: str, payload: Mapping | None) -> Answer:
        async with self._session.request(
            method,
            URL(url, encoded=True),
            json=payload,
            headers={"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else None,
            ssl=self._tls.context(endpoint) if url.startswith("https:") else True,
            # aiohttp's own trust_env would also send what a netrc file holds for the host.
            proxy=proxy_of(endpoint, os.environ),
            timeout=aiohttp.ClientTimeout(endpoint.timeout, sock_connect=endpoint.connect_timeout),
            allow_redirects=False,
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > BODY_LIMIT:
                    raise NoAnswer(TOO_LARGE)
            return Answer(
                url,
                response.status,
                body.decode("utf-8", "replace"),
                retry_after=response.headers.get("Retry-After"),
                location=response.headers.get("Location"),
                secret=endpoint.api_key,
            )


class _Resolver(AbstractResolver):
    """The system's resolver in its own threads.

    The event loop has few threads. Names that time out would use them up, and delay the names of healthy sites.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVING_THREADS, thread_name_prefix="vllm-resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        call = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, call)
        return [
            {
                "hostname": host,
                # The fourth part of an IPv6 address is the network interface of a link-local address.
                "host": f"{address[0]}%{address[3]}" if len(address) > 3 and address[3] else str(address[0]),
                "port": int(address[1]),
                "family": kind,
                "proto": protocol,
                "flags": socket.AI_NUMERICHOST,
            }
            for kind, _type, protocol, _name, address in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class _TlsContexts:
    """Contexts by TLS options. If a file of a context changes, it is made again, since certificates are renewed."""

    def __init__(self) -> None:
        self._made: dict[tuple, tuple[tuple, ssl.SSLContext]] = {}

    def context(self, endpoint: Endpoint) -> ssl.SSLContext:
        """Return the context for an endpoint.

        :raises NoAnswer: when a file cannot be read or used.
        """
        trusted = authorities(endpoint.ca_path, os.environ)
        options = (endpoint.validate_certs, trusted, endpoint.client_cert, endpoint.client_key)
        files = [source.path for source in trusted] or [ssl.get_default_verify_paths().cafile]
        versions = tuple(_version(file) for file in (*files, endpoint.client_cert, endpoint.client_key) if file)
        if options not in self._made or self._made[options][0] != versions:
            self._made[options] = (versions, new_context(endpoint, trusted))
        return self._made[options][1]


def _version(file: str) -> int | None:
    """Return the time of the last change, or None if there is no such file; the context will then complain."""
    try:
        return os.stat(file).st_mtime_ns
    except OSError:
        return None
