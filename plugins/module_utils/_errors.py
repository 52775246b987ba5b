# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors as data: a code, the parts of one sentence, and what the server said."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

#: No usable HTTP answer: these make a host UNREACHABLE, and never mean that anything is absent.
UNREACHABLE_CODES = frozenset(("unreachable", "timeout", "tls", "dns"))
_RETRYABLE_CODES = frozenset(
    ("unreachable", "timeout", "dns", "throttled", "server_error", "not_converged", "site_busy", "download_failed")
)
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
    """A failure that a user is told about, in parts that :attr:`message` joins.

    :param code: one of the documented codes, such as ``unreachable`` or ``artifact_not_found``.
    :param problem: what came back, or what is wrong.
    :param hint: what to do about it.
    :param attempt: a verb phrase, such as ``load adapter 'sql' from '/srv/sql'``; empty if an option is at fault.
    :param url: where that was attempted.
    :param http_status: the status that came back, if any did.
    :param detail: the server's own words, verbatim; cut at 2 kB.
    :param outcome_unknown: the request may have taken effect all the same, which only the model list tells.
    :param unsent: the request never left, so it may be sent again.
    """

    def __init__(
        self,
        code: str,
        problem: str,
        hint: str = "",
        attempt: str = "",
        url: str = "",
        http_status: int | None = None,
        detail: str = "",
        outcome_unknown: bool = False,
        unsent: bool = False,
    ) -> None:
        super().__init__(code, problem)
        self.code = code
        self.problem = problem
        self.hint = hint
        self.attempt = attempt
        self.url = url
        #: Told after the hint, such as errors that came before.
        self.notes: list[str] = []
        #: What became of the adapter that was served before.
        self.aftermath = ""
        self.http_status = http_status
        self.detail = detail[:_DETAIL_LIMIT]
        self.outcome_unknown = outcome_unknown
        self.unsent = unsent

    def __str__(self) -> str:
        return self.message

    @property
    def message(self) -> str:
        """The sentence that a user reads."""
        return f"{self.clause()}."

    def clause(self, known_hint: str = "") -> str:
        """Join the parts, without a full stop. The hint is left out if it is the one that the reader has already."""
        where = f" at {self.url}" if self.url else ""
        problem = f"Could not {self.attempt}{where}: {self.problem}" if self.attempt else self.problem
        hint = "" if self.hint == known_hint else self.hint
        return "; ".join(filter(None, (problem.rstrip("."), hint, *self.notes, self.aftermath)))

    def add(self, note: str) -> None:
        """Tell this as well, after the hint."""
        self.notes.append(note)

    @property
    def is_unreachable(self) -> bool:
        """True if no usable HTTP answer came."""
        return self.code in UNREACHABLE_CODES

    @property
    def retryable(self) -> bool:
        """True if the same request may succeed later although nobody changes anything."""
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


class CompleteError(VllmError):
    """A failure whose problem is complete sentences that say what to do. The hint is for machines and is not joined to it."""

    def clause(self, known_hint: str = "") -> str:
        return super().clause(self.hint)


def failure(error: VllmError) -> dict:
    """Return the keys of a result that tell of a failure."""
    return {"changed": False, "msg": error.message, "error": error.as_dict()}


@contextlib.contextmanager
def also_report(causes: Iterable[VllmError]) -> Iterator[None]:
    """Add the errors that came before to an error that this block raises: a server that has gone does not repeat what it
    refused a moment ago.

    :param causes: read when an error is raised, so that it can be a view of a collection that still grows.
    """
    try:
        yield
    except VllmError as error:
        for cause in reversed(list(causes)):
            if cause.clause() not in error.message:
                error.add(f"before that: {cause.clause(error.hint)} ({cause.code})")
                error.detail = error.detail or cause.detail
        raise


def request_error(
    code: str,
    attempt: str,
    url: str,
    problem: str,
    hint: str,
    http_status: int | None = None,
    detail: str = "",
    outcome_unknown: bool = False,
    unsent: bool = False,
) -> VllmError:
    """Return the error of a request, with its parts in the order of the sentence."""
    return VllmError(code, problem, hint, attempt, url, http_status, detail, outcome_unknown, unsent)


def invalid_option(option: str, problem: str, advice: str) -> VllmError:
    """Return the error for an option whose value is refused before any request is sent."""
    return VllmError("invalid_request", f"Option {option} {problem}", advice)
