# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why no usable HTTP answer came. The text of an exception is never repeated: it can hold what was sent."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .._errors import FILES_HINT, NOT_VLLM_HINT, OFFLINE_HINT, PROXY_HINT, TLS_HINT, VllmError, printable, request_error
from .._http.certificates import UnusableCertificate
from .._http.transport import DeadlinePassed, requests, urllib3


class BodyTooLarge(Exception):
    """The body is larger than a model list can be."""


@dataclass(frozen=True)
class _Reason:
    came_back: str
    code: str = "unreachable"
    hint: str = OFFLINE_HINT
    unsent: bool = False


def transport_error(problem: Exception, tried: str, url: str, limit: float) -> VllmError:
    """Return the error for an exception of the transport; ``limit`` is the number of seconds that the answer had."""
    reason = _reason(problem, limit)
    return request_error(
        reason.code, tried, url, reason.came_back, reason.hint, outcome_unknown=not reason.unsent, unsent=reason.unsent
    )


def _reason(problem: Exception, limit: float) -> _Reason:
    """The order counts: what is more precise stands first, and a connect time-out is a time-out as well."""
    broken = requests.exceptions
    causes = tuple(_causes(problem))
    table = (
        (
            UnusableCertificate,
            _Reason(f"a certificate or key could not be used ({problem})", "invalid_request", FILES_HINT, unsent=True),
        ),
        (BodyTooLarge, _Reason("the answer is larger than any model list", "not_vllm", NOT_VLLM_HINT)),
        (broken.ContentDecodingError, _Reason("the answer could not be decompressed", "not_vllm", NOT_VLLM_HINT)),
        (broken.SSLError, _tls_reason(causes)),
        (broken.ConnectTimeout, _Reason("no connection within the time-out", "timeout", unsent=True)),
        (
            (broken.Timeout, DeadlinePassed, socket.timeout),
            _Reason(f"no full answer within {limit:g} seconds", "timeout"),
        ),
        (
            broken.ProxyError,
            _Reason(
                "no answer came through the proxy",
                hint=PROXY_HINT,
                unsent=_stopped_at_proxy(causes),
            ),
        ),
        (socket.gaierror, _Reason("the host name could not be resolved", "dns", unsent=True)),
        (ConnectionRefusedError, _Reason("the connection was refused", unsent=True)),
        (urllib3.exceptions.NewConnectionError, _Reason("no connection to the host could be made", unsent=True)),
        (
            (broken.ConnectionError, broken.ChunkedEncodingError),
            _Reason("the connection was closed before the answer was complete"),
        ),
    )
    for kinds, reason in table:
        if any(isinstance(cause, kinds) for cause in causes):
            return reason
    # What the system says of a file, or requests of one that is not there. Of a header that it refuses, requests would
    # repeat the key.
    is_about_a_file = isinstance(problem, OSError) and not isinstance(problem, broken.RequestException)
    why = f" ({printable(str(problem))})" if is_about_a_file else ""
    return _Reason(
        f"the request could not be made{why}",
        "invalid_request",
        "check base_url and the proxy variables",
        unsent=True,
    )


def _causes(problem: BaseException) -> Iterator[BaseException]:
    """Yield the exception and all that it wraps: requests and urllib3 carry the reason in args, reason or context."""
    seen: set[int] = set()
    queue: list = [problem]
    while queue:
        current = queue.pop()
        if isinstance(current, BaseException) and id(current) not in seen:
            seen.add(id(current))
            yield current
            queue += [*current.args, getattr(current, "reason", None), current.__cause__, current.__context__]


def _stopped_at_proxy(causes: Sequence[BaseException]) -> bool:
    """Whether the request certainly did not pass the proxy: plain http is passed on at once, and any later loss of the
    connection is called a proxy error as well (urllib3 1.26 to 2)."""
    unconnected = urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError
    never_left = (socket.gaierror, ConnectionRefusedError, *unconnected)
    return any(isinstance(cause, never_left) or "Tunnel connection failed" in str(cause) for cause in causes)


def _tls_reason(causes: Sequence[BaseException]) -> _Reason:
    """OpenSSL's own words for a certificate that was refused hold nothing that was sent."""
    messages = (getattr(cause, "verify_message", "") for cause in causes)
    why = next((message for message in messages if message), "no common protocol, or no TLS at all")
    return _Reason(
        f"the TLS handshake failed ({why})",
        "tls",
        TLS_HINT,
        unsent=True,
    )
