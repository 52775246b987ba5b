# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read vLLM's HTTP answers on every route, in all releases from 0.7 on and from both front-ends."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass, field

from .._errors import NOT_VLLM_HINT, OFFLINE_HINT, VllmError, printable, quoted, request_error
from .releases import BROKEN_RUST_HINT

#: The header by which the collection's guard names its configuration, in each of its answers.
GUARD_HEADER = "X-Vllm-Guard"
#: What to do about a server that answers 500.
BROKEN_HINT = "read the server's log"
DEAD_ENGINE_HINT = f"{BROKEN_HINT}, since /health says that its engine is dead"
_PAGE_HINT = (
    "something in front of the server answers: check the scheme, host and port of base_url, and client_cert where it "
    "wants a certificate"
)
# Characters. The longest sentences of vLLM that say what to set have about 450.
_SHOWN = 600
# Of a page of HTML, how much is searched for its title, and how much of that is shown.
_HEAD = 64 * 1024
_TITLE_SHOWN = 200
_TITLE = re.compile(r"<title[^<>]*>([^<]*)", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer. ``secret`` is what must not be repeated from it, ``guard`` the configuration of the guard that passed it."""

    url: str
    status: int
    body: str
    retry_after: str | None = None
    location: str | None = None
    guard: str | None = None
    secret: str | None = field(default=None, repr=False)

    def without_secret(self, text: str) -> str:
        forms = (self.secret, json.dumps(self.secret)[1:-1], html.escape(self.secret)) if self.secret else ()
        for form in forms:
            text = text.replace(form, "********")
        return text

    @property
    def json(self) -> object:
        """The decoded body, or None if it is not JSON or has halves of surrogate pairs, which no result can hold."""
        try:
            decoded = json.loads(self.body)
            if "\\ud" in self.body or "\\uD" in self.body:
                json.dumps(decoded, ensure_ascii=False).encode("utf-8")
            return decoded
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True)
class ErrorBody:
    """The text of an error body and its origin: ``vllm`` (its error object), ``router`` (no such route) or ``other`` (such as a proxy)."""

    origin: str
    message: str


def error_body(answer: Answer) -> ErrorBody:
    """Decode the error body. vLLM's is flat up to 0.10.0 and nested since 0.10.1; a missing route is FastAPI's
    ``{"detail": …}``, or nothing at all from the Rust front-end; a refused key is ``{"error": "Unauthorized"}``."""
    decoded = answer.json
    origin, message = "other", answer.body
    if isinstance(decoded, dict):
        error = decoded.get("error")
        if isinstance(error, dict):
            origin, message = "vllm", error.get("message", "")
        elif decoded.get("object") == "error":
            origin, message = "vllm", decoded.get("message", "")
        elif isinstance(error, str):
            message = error
        elif "detail" in decoded:
            origin, message = "router", decoded["detail"]
    elif not answer.body.strip():
        origin = "router"
    return ErrorBody(origin, answer.without_secret(str(message)))


def describe_answer(answer: Answer) -> str:
    """Say what came back, on one line."""
    page = html_page(answer)
    if page:
        return f"the server answered {answer.status} with {page}"
    message = printable(" ".join(error_body(answer).message.split()))
    said = " and said '%s'" % (message[:_SHOWN] + ("…" if len(message) > _SHOWN else "")) if message else ""
    return f"the server answered {answer.status}{said}"


def html_page(answer: Answer) -> str:
    """Return ``a page of HTML`` with its title, in which proxies name the cause, or nothing where the body is no page."""
    text = answer.body[:_HEAD].lstrip("\ufeff \t\r\n")
    if not text.startswith("<"):
        return ""
    found = _TITLE.search(text)
    title = " ".join(answer.without_secret(html.unescape(found.group(1))).split()) if found else ""
    shown = title[:_TITLE_SHOWN] + ("…" if len(title) > _TITLE_SHOWN else "")
    return f"a page of HTML with the title {quoted(shown)}" if shown else "a page of HTML"


def refusal(answer: Answer, attempt: str, code: str, hint: str, outcome_unknown: bool = False) -> VllmError:
    """Return the error for an answer whose meaning is known."""
    return request_error(
        code,
        attempt,
        answer.url,
        describe_answer(answer),
        hint,
        http_status=answer.status,
        detail=error_body(answer).message,
        outcome_unknown=outcome_unknown,
    )


def common_error(answer: Answer, attempt: str) -> VllmError | None:
    """Return the error for an answer that means the same on every route, or None."""
    status = answer.status
    if status == 401:
        return refusal(answer, attempt, "unauthorized", "give the server's key by option api_key or VLLM_API_KEY")
    if status == 403:
        return refusal(answer, attempt, "forbidden", "ask whoever runs the proxy in front of the server for access")
    if status == 407:
        return refusal(
            answer,
            attempt,
            "forbidden",
            "give the proxy its password in the proxy variables, or set use_proxy to false",
        )
    if status == 429:
        wait = f" (Retry-After: {printable(answer.retry_after)})" if answer.retry_after else ""
        return refusal(answer, attempt, "throttled", f"try again later{wait}, or raise retries")
    if status in (502, 503, 504):
        return refusal(answer, attempt, "unreachable", OFFLINE_HINT, outcome_unknown=True)
    if 300 <= status < 400:
        where = printable(answer.without_secret(answer.location or "nowhere"))
        hint = f"redirects are not followed, it points to {where}: give the server's own address as base_url"
        return refusal(answer, attempt, "not_vllm", hint)
    return None


def read_error(answer: Answer, attempt: str) -> VllmError:
    """Return the error for a read that was not answered 200."""
    error = common_error(answer, attempt)
    if error is None and answer.status >= 500:
        error = refusal(answer, attempt, "server_error", BROKEN_HINT)
    if error is None and answer.status < 500 and html_page(answer):
        error = refusal(answer, attempt, "not_vllm", _PAGE_HINT)
    return error or refusal(answer, attempt, "not_vllm", NOT_VLLM_HINT)


def health_error(answer: Answer, attempt: str) -> VllmError | None:
    """Return the error for a ``/health`` that tells of a dead engine, or None. Where a proxy hides the route, the server
    is given the benefit of the doubt."""
    if answer.status < 500:
        return None
    return refusal(answer, attempt, "server_error", DEAD_ENGINE_HINT)


#: Where a server names its version.
VERSION_ROUTE = "/version"


def read_version(answer: Answer) -> str | None:
    """Return the version that ``/version`` names, safe to print, or None where a proxy hides that route."""
    decoded = answer.json if answer.status == 200 else None
    version = decoded.get("version") if isinstance(decoded, dict) else None
    return printable(version) if isinstance(version, str) else None


_ROUTE_MISSING = (
    "start the server with VLLM_ALLOW_RUNTIME_LORA_UPDATING=True in its environment, "
    "and let any proxy in front of it pass /v1/load_lora_adapter and /v1/unload_lora_adapter"
)
_ENABLE_LORA = "start the server with --enable-lora"
_PATH = "check that the path exists on the node, as seen from inside the server's container"
_PREFIXES = "add the directory to VLLM_RUNTIME_LORA_ALLOWED_PATH_PREFIXES of the server, or put the artifact where that allows it"
_MIXED_MOE = (
    "set option is_3d_lora_weight to true for this adapter, and start the server with --enable-mixed-moe-lora-format"
)
_ARTIFACT = "check the artifact with sovereign.vllm.vllm_lora_artifact_info and the server's --max-lora-rank"
_ALREADY = "somebody else loads this adapter now: run again, and find out who"

# Parts of messages, lower case, with what they mean; the first that is found counts. A message is only asked where
# the status alone does not tell: 0.8.0 and the Rust front-end answer 400 to a missing path, 0.18 and later answer
# 500 to whatever the engine refuses.
_TOLD_BY_MESSAGE = (
    ("expected `bool`, got `null`", "invalid_request", f"this is a fault of vLLM 0.32.0; {BROKEN_RUST_HINT}"),
    ("allowed_path_prefixes", "artifact_rejected", _PREFIXES),
    ("outside the configured allowed prefixes", "artifact_rejected", _PREFIXES),
    ("is_3d_lora_weight", "artifact_rejected", _MIXED_MOE),
    ("not enabled", "lora_disabled", _ENABLE_LORA),
    ("lora enabled", "lora_disabled", _ENABLE_LORA),
    ("--enable-lora", "lora_disabled", _ENABLE_LORA),
    ("no adapter found", "artifact_not_found", _PATH),
    ("must exist", "artifact_not_found", _PATH),
    ("does not exist", "artifact_not_found", _PATH),
    ("conflicts with a served base model", "name_conflict", "give the adapter a name of its own"),
    ("already been", "not_converged", _ALREADY),
    ("already loaded", "not_converged", _ALREADY),
    ("validation error", "invalid_request", "report this with the version of the server"),
)


def load_error(answer: Answer, attempt: str) -> VllmError:
    """Return the error for a load that was not answered 200."""
    said = error_body(answer)
    error = common_error(answer, attempt) or _route_error(answer, attempt)
    if error:
        return error
    if said.origin != "vllm":
        return _not_vllms_own(answer, attempt)
    if answer.status == 404:
        return refusal(answer, attempt, "artifact_not_found", _PATH)
    for part, code, hint in _TOLD_BY_MESSAGE:
        if part in said.message.lower():
            return refusal(answer, attempt, code, hint)
    return refusal(answer, attempt, "artifact_rejected", _ARTIFACT)


def unload_error(answer: Answer, attempt: str) -> VllmError:
    """Return the error for an unload that was not answered 200. Only the model list tells whether it is gone."""
    error = common_error(answer, attempt) or _route_error(answer, attempt)
    if error:
        return error
    if error_body(answer).origin != "vllm":
        return _not_vllms_own(answer, attempt)
    if answer.status == 404:
        hint = "several servers seem to share this address: give each one's own address as base_url"
        return refusal(answer, attempt, "not_converged", hint)
    if answer.status >= 500:
        return refusal(answer, attempt, "server_error", BROKEN_HINT)
    return refusal(answer, attempt, "invalid_request", "report this with the version of the server")


def completion_error(answer: Answer, attempt: str) -> VllmError:
    """Return the error for a completion that was not answered 200."""
    error = common_error(answer, attempt)
    if error:
        return error
    if answer.status >= 500:
        return refusal(answer, attempt, "server_error", BROKEN_HINT)
    if answer.status == 404 and error_body(answer).origin == "vllm":
        return refusal(answer, attempt, "not_converged", "load it, and give the server's own address as base_url")
    return refusal(answer, attempt, "invalid_request", "see whether the model generates text")


def _route_error(answer: Answer, attempt: str) -> VllmError | None:
    """A 404 that is not vLLM's own says that there is no such route, be it the server's router that says so or a proxy."""
    missing = answer.status == 404 and error_body(answer).origin != "vllm"
    return runtime_lora_disabled(answer, attempt) if missing else None


def _not_vllms_own(answer: Answer, attempt: str) -> VllmError:
    """An answer without vLLM's error object comes from something in between, or from an engine that broke."""
    if answer.status >= 500:
        return refusal(answer, attempt, "server_error", BROKEN_HINT, outcome_unknown=True)
    return refusal(
        answer, attempt, "invalid_request", "check that no proxy in front of the server refuses this request"
    )


def runtime_lora_disabled(answer: Answer, attempt: str) -> VllmError:
    """Return the error for a server that has no load route."""
    return refusal(answer, attempt, "runtime_lora_disabled", _ROUTE_MISSING)
