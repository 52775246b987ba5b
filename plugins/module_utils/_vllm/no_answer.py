# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reasons why a server gave no usable HTTP answer, once for both transports.

Each transport maps the exceptions of its library to these reasons. The text of such an exception is never repeated: it
can hold the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .._errors import NOT_VLLM_HINT, OFFLINE_HINT, VllmError, printable, request_error


@dataclass(frozen=True)
class Reason:
    """One reason.

    :param sentence: may name the seconds ``limit``, for the whole answer, and ``connect_limit``.
    :param unsent: the request certainly did not reach the server, so it may be sent again.
    """

    sentence: str
    code: str = "unreachable"
    hint: str = OFFLINE_HINT
    unsent: bool = False


UNUSABLE_FILE = Reason(
    "a certificate or key could not be used",
    "invalid_request",
    "name a file in PEM that this user can read",
    unsent=True,
)
TOO_LARGE = Reason("the answer is larger than any model list", "not_vllm", NOT_VLLM_HINT)
NOT_DECOMPRESSED = Reason("the answer could not be decompressed", "not_vllm", NOT_VLLM_HINT)
NOT_HTTP = Reason("the answer is not HTTP", "not_vllm", NOT_VLLM_HINT)
NO_TLS = Reason(
    "the TLS handshake failed",
    "tls",
    "check the server's certificate, ca_path, client_cert and the name in base_url",
    unsent=True,
)
NO_CONNECTION_IN_TIME = Reason("no connection within {connect_limit:g} seconds", "timeout", unsent=True)
NO_ANSWER_IN_TIME = Reason("no full answer within {limit:g} seconds", "timeout")
PROXY_FAILED = Reason("no answer came through the proxy", hint="check the proxy variables, or set use_proxy to false")
NO_SUCH_HOST = Reason("the host name could not be resolved", "dns", unsent=True)
REFUSED = Reason("the connection was refused", unsent=True)
NO_CONNECTION = Reason("no connection to the host could be made", unsent=True)
CLOSED = Reason("the connection was closed before the answer was complete")
#: For exceptions that no table of a transport has.
NO_REQUEST = Reason(
    "the request could not be made", "invalid_request", "check base_url and the proxy variables", unsent=True
)


class NoAnswer(Exception):
    """There is no usable answer, for this reason.

    :param why: more about it, added in brackets.
    """

    def __init__(self, reason: Reason, why: str = "") -> None:
        super().__init__(reason.sentence)
        self.reason = reason
        self.why = why

    def error(self, attempt: str, url: str, limit: float, connect_limit: float) -> VllmError:
        """Return the error that a user is told about.

        :param attempt: a verb phrase, such as ``load adapter 'sql'``.
        :param limit: seconds that the whole answer had; ``connect_limit`` those for the connection.
        """
        reason = self.reason
        described = reason.sentence.format(limit=limit, connect_limit=connect_limit)
        if self.why:
            described = f"{described} ({self.why})"
        return request_error(
            reason.code, attempt, url, described, reason.hint, outcome_unknown=not reason.unsent, unsent=reason.unsent
        )


def explain(causes: Sequence[BaseException], table: Iterable[tuple[type | tuple[type, ...], Reason]]) -> NoAnswer:
    """Return why there is no answer.

    :param causes: an exception and all that it wraps, from :func:`causes_of`.
    :param table: kinds of exceptions with their reason. The first that fits counts, so the more precise stand first.
    """
    for cause in causes:
        if isinstance(cause, NoAnswer):
            return cause
    fitting = (reason for kinds, reason in table if any(isinstance(cause, kinds) for cause in causes))
    reason = next(fitting, NO_REQUEST)
    return NoAnswer(reason, _harmless_words(reason, causes))


def causes_of(problem: BaseException) -> Iterator[BaseException]:
    """Yield the exception and all that it wraps, each without its traceback.

    The libraries keep a cause in ``args``, ``reason`` (urllib3) or ``certificate_error`` (aiohttp), or chain it.
    Tracebacks hold frames that hold the exceptions. For a fleet that is down, the event source would fill the memory
    with such circles until Python looks for them, which it does rarely.
    """
    seen: set[int] = set()
    queue: list[object] = [problem]
    while queue:
        current = queue.pop()
        if isinstance(current, BaseException) and id(current) not in seen:
            seen.add(id(current))
            yield current.with_traceback(None)
            named = (getattr(current, name, None) for name in ("reason", "certificate_error"))
            queue += [*current.args, *named, current.__cause__, current.__context__]


def _harmless_words(reason: Reason, causes: Sequence[BaseException]) -> str:
    """The words of OpenSSL about a refused certificate, and of the system about a file, hold nothing that was sent."""
    if reason is NO_TLS:
        messages = (getattr(cause, "verify_message", "") for cause in causes)
        return next((message for message in messages if message), "no common protocol, or no TLS at all")
    if reason is NO_REQUEST:
        return printable(getattr(causes[0], "strerror", None) or "")
    return ""
