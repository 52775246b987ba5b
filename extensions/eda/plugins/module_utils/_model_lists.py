# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One GET over aiohttp, of a model list or what confirms it, or the reason why there is no usable answer."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.abc import AbstractResolver
from sovereign_vllm.plugins.module_utils._errors import (
    FILES_HINT,
    NOT_VLLM_HINT,
    OFFLINE_HINT,
    PROXY_HINT,
    TLS_HINT,
    VllmError,
    request_error,
)
from sovereign_vllm.plugins.module_utils._http.certificates import UnusableCertificate, new_context
from sovereign_vllm.plugins.module_utils._vllm.answers import Answer
from sovereign_vllm.plugins.module_utils._vllm.endpoint import Authorities, Endpoint, authorities
from sovereign_vllm.plugins.module_utils._vllm.model_list import ATTEMPT
from yarl import URL


class TlsContexts:
    """Contexts by TLS options. One is made anew when a file of it has changed, since certificates are renewed."""

    def __init__(self) -> None:
        self._made: dict[tuple, tuple[tuple, ssl.SSLContext]] = {}

    def context(self, endpoint: Endpoint) -> ssl.SSLContext:
        """Return the context for an endpoint.

        :raises UnusableCertificate: when a file cannot be read or used.
        """
        trusted = authorities(endpoint.ca_path, os.environ)
        options = (endpoint.validate_certs, trusted, endpoint.client_cert, endpoint.client_key)
        files = [*_files(trusted), endpoint.client_cert, endpoint.client_key]
        versions = tuple(_version(file) for file in files if file)
        if options not in self._made or self._made[options][0] != versions:
            self._made[options] = (versions, new_context(endpoint, trusted))
        return self._made[options][1]


def _files(trusted: tuple[Authorities, ...]) -> list[str | None]:
    return [source.path for source in trusted] or [ssl.get_default_verify_paths().cafile]


def _version(file: str) -> int | None:
    """What changes with the file; None where there is none, of which the context will complain."""
    try:
        return os.stat(file).st_mtime_ns
    except OSError:
        return None


#: Bytes. The cards of 10,000 adapters take about 6 MB, and hundreds of endpoints are read at once.
BODY_LIMIT = 8 * 1024 * 1024
_CLOSED = "the connection was closed before the answer was complete"
_RESOLVING_THREADS = 256


class _BodyTooLarge(Exception):
    pass


# The order counts: what is more precise stands first.
_REASONS = (
    (UnusableCertificate, "invalid_request", "a certificate or key could not be used", FILES_HINT),
    (_BodyTooLarge, "not_vllm", "the answer is larger than any model list", NOT_VLLM_HINT),
    (asyncio.TimeoutError, "timeout", "no full answer within the time-out", OFFLINE_HINT),
    (ssl.SSLError, "tls", "the TLS handshake failed", TLS_HINT),
    (
        (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError),
        "unreachable",
        "no answer came through the proxy",
        PROXY_HINT,
    ),
    (socket.gaierror, "dns", "the host name could not be resolved", OFFLINE_HINT),
    (ConnectionRefusedError, "unreachable", "the connection was refused", OFFLINE_HINT),
    (ConnectionResetError, "unreachable", _CLOSED, OFFLINE_HINT),
    (aiohttp.ClientConnectorError, "unreachable", "no connection to the host could be made", OFFLINE_HINT),
    (aiohttp.ClientResponseError, "not_vllm", "the answer is not HTTP", NOT_VLLM_HINT),
    ((aiohttp.ClientConnectionError, aiohttp.ClientPayloadError), "unreachable", _CLOSED, OFFLINE_HINT),
    ((aiohttp.ClientError, OSError, ValueError), "invalid_request", "the request could not be made", "check base_url"),
)
_PROBLEMS = (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError, _BodyTooLarge, UnusableCertificate)


class ModelLists:
    """Reads model lists. One for all endpoints, used as an asynchronous context manager.

    Every request has a connection of its own: servers drop idle ones after 5 s (uvicorn's default), and a request that
    meets the closing one would look like a dead server.
    """

    async def __aenter__(self) -> ModelLists:
        self._tls = TlsContexts()
        self._session = aiohttp.ClientSession(
            # Without a limit, since dead sites would use it up and delay the others.
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
        url = endpoint.base_url + path
        try:
            return await self._exchange(endpoint, url)
        except _PROBLEMS as problem:
            raise _error(problem, url) from None

    async def _exchange(self, endpoint: Endpoint, url: str) -> Answer:
        async with self._session.get(
            URL(url, encoded=True),
            headers={"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else None,
            ssl=self._tls.context(endpoint) if url.startswith("https:") else True,
            proxy=_proxy(endpoint),
            timeout=aiohttp.ClientTimeout(endpoint.timeout, sock_connect=endpoint.connect_timeout),
            allow_redirects=False,
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > BODY_LIMIT:
                    raise _BodyTooLarge
            return Answer(
                url,
                response.status,
                body.decode("utf-8", "replace"),
                retry_after=response.headers.get("Retry-After"),
                location=response.headers.get("Location"),
                secret=endpoint.api_key,
            )


class _Resolver(AbstractResolver):
    """The system's resolver in threads of its own.

    The event loop has only a few, and names that time out would keep them from the names of sites that are well.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVING_THREADS, thread_name_prefix="vllm-resolver")

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[dict]:
        call = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, call)
        return [
            {
                "hostname": host,
                # The fourth part of an IPv6 address is the network interface that a link-local one belongs to.
                "host": f"{address[0]}%{address[3]}" if len(address) > 3 and address[3] else address[0],
                "port": address[1],
                "family": kind,
                "proto": protocol,
                "flags": socket.AI_NUMERICHOST,
            }
            for kind, _type, protocol, _name, address in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _proxy(endpoint: Endpoint) -> str | None:
    """The proxy that the environment names for the endpoint. aiohttp's own ``trust_env`` would send what a netrc file
    holds for the host as well."""
    url = urlsplit(endpoint.base_url)
    if not endpoint.use_proxy or proxy_bypass(url.netloc):
        return None
    proxies = getproxies()
    return proxies.get(url.scheme, proxies.get("all"))


def _error(problem: Exception, url: str) -> VllmError:
    """Return the error for an exception of aiohttp, whose text is never repeated: it can hold what was sent."""
    causes = tuple(_causes(problem))
    code, came_back, hint = next(
        reason for kinds, *reason in _REASONS if any(isinstance(cause, kinds) for cause in causes)
    )
    # OpenSSL's own words for a refused certificate hold nothing that was sent.
    why = next((cause.verify_message for cause in causes if getattr(cause, "verify_message", None)), None)
    why = next((str(cause) for cause in causes if isinstance(cause, UnusableCertificate)), why)
    return request_error(code, ATTEMPT, url, f"{came_back} ({why})" if why else came_back, hint)


def _causes(problem: BaseException) -> Iterator[BaseException]:
    """Yield the exception and what it wraps, each without its traceback.

    The tracebacks hold frames that hold the exceptions. A fleet that is down would fill the memory with such circles
    until Python looks for them, which it does rarely.
    """
    seen: set[int] = set()
    queue = [problem]
    while queue:
        current = queue.pop(0)
        if isinstance(current, BaseException) and id(current) not in seen:
            seen.add(id(current))
            yield current.with_traceback(None)
            queue += [getattr(current, "certificate_error", None), current.__cause__, current.__context__]
