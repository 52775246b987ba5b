# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send one request to any host, and hand on the body of the answer in pieces: for files that are too large for the memory.

Proxies and certificates follow the same rules as the requests to a vLLM server.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from .._errors import VllmError, printable
from .._vllm.endpoint import Endpoint
from .._vllm.no_answer import NO_TLS
from .certificates import SharedContexts
from .transport import PROBLEMS, DeadlinePassed, call_within, connected, no_answer, silence_warnings

try:
    import urllib3  # requests is built on it
except ImportError:
    pass  # REQUESTS_IMPORT_ERROR of the transport tells the reason.

_T = TypeVar("_T")
#: Bytes of one piece. It has to arrive within the time limit, so that a server cannot trickle for ever.
PIECE = 1 << 18
#: Seconds for the head of an answer, and for each piece of its body: at least 2 kB a second.
LIMIT = 120.0
# Lets the more precise time-outs of the socket come first.
_GRACE = 0.2
_TLS_HINT = "check the certificate of the server, source_ca_path and the name in the address"
_HINT = "check that the address is right and that the server runs; the next run continues the download"


class Reply:
    """The answer to a request. Its body is read at most once.

    :ivar status: of HTTP.
    :ivar url: that was asked, without its query.
    """

    def __init__(self, url: str, response: Any, guarded: Callable[[Callable[[], bytes]], bytes]) -> None:
        self.url = url
        self.status: int = response.status
        self._response = response
        self._guarded = guarded

    def header(self, name: str) -> str:
        """Return a header, or nothing if it is missing."""
        return self._response.headers.get(name) or ""

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it was sent.

        :raises VllmError: ``download_failed`` if it ends before its announced length, or takes too long.
        """
        while True:
            piece = self._guarded(lambda: self._response.read(PIECE, decode_content=False))
            if not piece:
                return
            yield piece


class Web:
    """Asks any host.

    :param ca_path: as ``ca_path`` of an endpoint; so are ``validate_certs`` and ``use_proxy``.
    :param limit: seconds for the head of an answer, and for each piece of its body.
    """

    def __init__(
        self, ca_path: str | None = None, validate_certs: bool = True, use_proxy: bool = True, limit: float = LIMIT
    ) -> None:
        self._reach = {"ca_path": ca_path, "validate_certs": validate_certs, "use_proxy": use_proxy}
        self._limit = limit
        self._context_of = SharedContexts()

    @contextlib.contextmanager
    def ask(self, url: str, attempt: str, headers: Mapping[str, str], body: str | None = None) -> Iterator[Reply]:
        """Send one request: GET, or with a body POST of a form. No redirect is followed.

        :param attempt: what it is for, for the error sentence.
        :raises VllmError: ``download_failed`` when no usable answer came; ``invalid_request`` if a file of certificates cannot
            be used. Neither repeats the query of the URL, which can hold a secret.
        """
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        endpoint = Endpoint(origin, timeout=self._limit, **self._reach)  # type: ignore[arg-type]  # mypy sees one type for all values
        shown = f"{origin}{parts.path}"

        is_abandoned = False

        def guarded(call: Callable[[], _T]) -> _T:
            nonlocal is_abandoned
            try:
                return call_within(self._limit + _GRACE, call)
            except PROBLEMS as problem:
                is_abandoned = isinstance(problem, DeadlinePassed)
                raise self._error(problem, attempt, shown, endpoint.connect_timeout) from None

        silence_warnings(endpoint)
        opened = guarded(lambda: self._send(endpoint, url, headers, body))
        try:
            yield Reply(shown, opened[1], guarded)
        finally:
            # A thread that still reads would make this wait for it. It ends with its process.
            if not is_abandoned:
                opened[1].close()
                opened[0].close()

    def _send(self, endpoint: Endpoint, url: str, headers: Mapping[str, str], body: str | None) -> tuple[Any, Any]:
        adapter, proxied = connected(endpoint, self._context_of)
        manager = proxied or adapter.poolmanager
        form = {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
        # Compressed on the way, a body would not be the one that the digest is of.
        common = {"User-Agent": "sovereign.vllm", "Accept-Encoding": "identity"}
        response = manager.urlopen(
            "GET" if body is None else "POST",
            url,
            body=None if body is None else body.encode(),
            headers={**common, **form, **headers},
            timeout=urllib3.Timeout(connect=endpoint.connect_timeout, read=self._limit),
            retries=False,
            redirect=False,
            preload_content=False,
            enforce_content_length=True,
        )
        return adapter, response

    def _error(self, problem: Exception, attempt: str, shown: str, connect_limit: float) -> VllmError:
        found = no_answer(problem)
        error = found.error(attempt, shown, self._limit, connect_limit)
        if error.code == "invalid_request":
            error.hint = error.hint.replace("base_url", "the address")
            return error
        hint = _TLS_HINT if found.reason is NO_TLS else _HINT
        return VllmError("download_failed", printable(error.problem), hint, attempt, shown)
