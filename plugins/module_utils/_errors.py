# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, as data: a code, one sentence, and what the server said."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

#: No usable HTTP answer: these make a host UNREACHABLE, and never mean that anything is absent.
UNREACHABLE_CODES = frozenset(("unreachable", "timeout", "tls", "dns"))
_RETRYABLE_CODES = frozenset(("unreachable", "timeout", "dns", "throttled", "server_error", "not_converged"))
_DETAIL_LIMIT = 2048
#: What to do about an answer that is none of vLLM's, and about none at all.
NOT_VLLM_HINT = "check that base_url is the address of a vLLM server"
OFFLINE_HINT = "check that the server runs and that the address is right; nothing is known about what it serves"


def printable(text: object) -> str:
    """Return ``text`` with control and other invisible characters escaped, so that a server cannot steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))


def quoted(text: object) -> str:
    """Return ``text`` between single quotes, safe to print."""
    return f"'{printable(text)}'"


class VllmError(Exception):
    """A failure that a user is told about.

    :param code: one of the documented codes, such as ``unreachable`` or ``artifact_not_found``.
    :param sentence: what was tried, where, what came back, what to do.
    :param http_status: the status that came back, if any did.
    :param detail: the server's own words, verbatim; cut at 2 kB.
    :param hint: what to do about it.
    :param outcome_unknown: the request may have taken effect all the same, which only the model list tells.
    :param unsent: the request never left, so it may be sent again.
    """

    def __init__(
        self,
        code: str,
        sentence: str,
        http_status: int | None = None,
        detail: str = "",
        hint: str = "",
        outcome_unknown: bool = False,
        unsent: bool = False,
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        #: What became of what was served before; the end of the sentence.
        self.aftermath = ""
        self.http_status = http_status
        self.detail = detail[:_DETAIL_LIMIT]
        self.hint = hint
        self.outcome_unknown = outcome_unknown
        self.unsent = unsent

    @property
    def message(self) -> str:
        """What a user reads."""
        return f"{self.sentence.rstrip('.')}; {self.aftermath}." if self.aftermath else self.sentence

    def add(self, clause: str) -> None:
        """Continue the sentence."""
        self.sentence = f"{self.sentence.rstrip('.')}; {clause}."

    def advise(self, hint: str) -> None:
        """Say something else about what to do."""
        self.sentence = self.sentence.replace(self.hint, hint)
        self.hint = hint

    @property
    def is_unreachable(self) -> bool:
        """Whether no usable HTTP answer came."""
        return self.code in UNREACHABLE_CODES

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later without anybody changing anything."""
        return self.code in _RETRYABLE_CODES

    def as_dict(self) -> dict:
        """Return the ``error`` block of a result."""
        return {
            "code": self.code,
            "http_status": self.http_status,
            "detail": self.detail,
            "hint": self.hint,
            "retryable": self.retryable,
        }


def failure(error: VllmError) -> dict:
    """Return the keys of a result that tell of a failure."""
    return {"changed": False, "msg": error.message, "error": error.as_dict()}


@contextlib.contextmanager
def also_report(causes: Iterable[VllmError]) -> Iterator[None]:
    """Have an error that comes up in this block tell of those that came before: a server that has gone says nothing of
    what it refused a moment ago.

    :param causes: read when an error comes up, so that a view of what is still being collected does as well.
    """
    try:
        yield
    except VllmError as error:
        for cause in reversed(list(causes)):
            told = cause.message.rstrip(".")
            if told not in error.message:
                # What to do about a server that has gone is said once.
                told = told.replace(f"; {error.hint}", "") if error.hint else told
                error.add(f"before that: {told} ({cause.code})")
                error.detail = error.detail or cause.detail
        raise


def request_error(code: str, attempt: str, url: str, came_back: str, hint: str, **more: object) -> VllmError:
    """Return the error of a request, its sentence put together from the four things a user needs.

    :param attempt: a verb phrase, such as ``load adapter 'sql' from '/srv/sql'``.
    :param more: the other arguments of :class:`VllmError`.
    """
    sentence = f"Could not {attempt} at {url}: {came_back}; {hint}."
    return VllmError(code, sentence, hint=hint, **more)


def invalid_option(option: str, problem: str, advice: str) -> VllmError:
    """Return the error for an option whose value is refused before any request is sent."""
    return VllmError("invalid_request", f"Option {option} {problem}; {advice}.", hint=advice)
