# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies of vLLM's answers, in the shape of each release."""

from __future__ import annotations

import json
import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from .engine import Adapter
from .profiles import Profile


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; Content-Length, Date and Server are added when it is sent. parts: of a streamed one, in place of a body."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    parts: tuple[bytes, ...] = ()


def json_answer(status: int, value: Any, **headers: str) -> Answer:
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return Answer(status, body, {"content-type": "application/json", **headers})


def success(profile: Profile, text: str) -> Answer:
    """Plain text; the Python front-end sends no Content-Type at all."""
    return Answer(200, text.encode(), {"content-type": profile.success_type} if profile.success_type else {})


def error(profile: Profile, status: int, kind: str, message: str, param: str | None = None) -> Answer:
    """vLLM's own error. kind: its `type`, such as "NotFoundError"."""
    if profile.redacts_paths:
        message = _redact(message)
    if profile.errors == "rust":
        return json_answer(status, {"error": {"message": message, "param": param, **_rust_kind(profile, status, kind)}})
    detail = {"message": message, "type": kind, "param": param, "code": status}
    if profile.errors == "nested":
        return json_answer(status, {"error": detail})
    return json_answer(status, {"object": "error", **detail})


def _rust_kind(profile: Profile, status: int, kind: str) -> dict[str, str | int]:
    """Type and code: two families and a word up to 0.32; from 0.33 vLLM's own types and the status."""
    if profile.codes_are_numbers:
        types = {"InvalidUserInput": "BadRequestError", "BadJSON": "Bad Request", "BadRequest": "Bad Request"}
        return {"type": types.get(kind, kind), "code": status}
    family = "server_error" if status >= 500 else "invalid_request_error"
    codes = {"NotFoundError": "model_not_found", "BadJSON": "json_parse_error"}
    return {"type": family, "code": codes.get(kind, family)}


def _redact(message: str) -> str:
    """As sanitize_message of vLLM 0.32: paths below the usual system directories, and paths of files with a suffix."""
    message = re.sub(r"/(?:home|usr|opt|var|tmp|root|lib|mnt|srv)(?:/[\w.\-]+)+", "<path>", message)
    return re.sub(r"(?:/[\w\-]+)+/[\w\-]+\.\w+", "<path>", message).strip()


def router(profile: Profile, status: int, **headers: str) -> Answer:
    """404 and 405 come from the router, not from vLLM's handlers."""
    if not profile.router_bodies:
        return Answer(status, b"", headers)
    return json_answer(status, {"detail": {404: "Not Found", 405: "Method Not Allowed"}[status]}, **headers)


def unauthorized() -> Answer:
    return json_answer(401, {"error": "Unauthorized"})


def unsupported_media_type(profile: Profile) -> Answer:
    text = "Unsupported Media Type: Only 'application/json' is allowed"
    if profile.media_type_status == 415:
        return json_answer(415, {"detail": text})
    if profile.errors == "rust":
        return error(profile, 400, "BadRequest", "Expected request with `Content-Type: application/json`")
    message = f"1 validation error:\n  {text}"
    if profile.validation == "endpoint+list":
        message += f" {[text]}"
    return error(profile, 400, "Bad Request", message)


def invalid(profile: Profile, path: str, problems: list[dict[str, Any]]) -> Answer:
    """Pydantic's complaints about the body of a POST to `path`.

    Up to 0.25 the text names the endpoint's place in vLLM's sources, from 0.9 to 0.25 it repeats the list; from 0.30
    the values are summarised. The Rust front-end's words were not recorded.
    """
    if profile.errors == "rust":
        kind = "BadJSON" if problems[0]["type"] == "json_invalid" else "BadRequest"
        return error(profile, 400, kind, f"Failed to deserialize the JSON body: {problems[0]['msg']}")
    shown = [_summary(problem) for problem in problems] if profile.validation == "summary" else problems
    noun = "error" if len(problems) == 1 else "errors"
    message = f"{len(problems)} validation {noun}:\n" + "\n".join(f"  {problem}" for problem in shown)
    if profile.validation.startswith("endpoint"):
        function = path.removeprefix("/v1/")
        message += f'\n\n  File "site-packages/vllm/entrypoints/openai/api_server.py", line 1, in {function}'
        message += f"\n    POST {path}"
    if profile.validation == "endpoint+list":
        message += f" {problems}"
    kind = "BadRequestError" if profile.validation == "endpoint" else "Bad Request"
    param = _dotted(problems[0]["loc"]) if profile.names_parameters else None
    return error(profile, 400, kind, message, param)


def _dotted(location: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in location)


def _summary(problem: dict[str, Any]) -> dict[str, Any]:
    problem = {**problem, "loc": _dotted(problem["loc"])}
    if isinstance(problem["input"], bytes):
        problem["input"] = f"<bytes of {len(problem['input'])} bytes>"
    elif isinstance(problem["input"], (dict, list)):
        problem["input"] = f"<{type(problem['input']).__name__} of {len(problem['input'])} items>"
    else:
        problem["input"] = problem["input"] if isinstance(problem["input"], str) else str(problem["input"])
    return problem


def model_list(profile: Profile, bases: list[tuple[str, str]], adapters: list[Adapter], max_model_len: int) -> Answer:
    cards = [_card(profile, name, root, None, max_model_len) for name, root in bases]
    if profile.lists_runtime_adapters:
        cards += [_card(profile, adapter.name, adapter.path, adapter.parent, None) for adapter in adapters]
    return json_answer(200, {"object": "list", "data": cards})


def _card(profile: Profile, name: str, root: str, parent: str | None, max_model_len: int | None) -> dict[str, Any]:
    now = int(time.time())
    permission = {
        "id": f"modelperm-{uuid.uuid4().hex}",
        "object": "model_permission",
        "created": now,
        "allow_create_engine": False,
        "allow_sampling": True,
        "allow_logprobs": True,
        "allow_search_indices": False,
        "allow_view": True,
        "allow_fine_tuning": False,
        "organization": "*",
        "group": None,
        "is_blocking": False,
    }
    return {
        "id": name,
        "object": "model",
        "created": now,
        "owned_by": profile.owned_by,
        "root": root,
        "parent": parent,
        "max_model_len": max_model_len,
        "permission": [permission],
    }


def completion(profile: Profile, model: str, choices: list[tuple[str, Any]], tokens: int) -> Answer:
    """choices: text and `logprobs` of each prompt. The fields are those of 0.32; older releases lack some."""
    shown = [
        {
            "index": index,
            "text": text,
            "logprobs": logprobs,
            "finish_reason": "length",
            "stop_reason": None,
            "token_ids": None,
            "prompt_logprobs": None,
            "prompt_token_ids": None,
            "routed_experts": None,
        }
        for index, (text, logprobs) in enumerate(choices)
    ]
    return _generated(profile, "text_completion", model, shown, tokens)


def chat_completion(profile: Profile, model: str, text: str, logprobs: Any, tokens: int) -> Answer:
    """The fields are those of 0.32; older releases lack some."""
    message = {"role": "assistant", "content": text, "refusal": None, "annotations": None, "audio": None}
    message |= {"function_call": None, "reasoning": None}
    choice = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": "length", "stop_reason": None}
    choices = [{**choice, "token_ids": None, "routed_experts": None}]
    return _generated(profile, "chat.completion", model, choices, tokens, prompt_logprobs=None)


def as_events(answer: Answer) -> Answer:
    """The same completion as `stream: true` gives it: an event for each word of the first choice, and one that ends the answer."""
    if answer.status != 200:
        return answer
    whole = json.loads(answer.body)
    (choice, *_more) = whole.pop("choices")
    by_chat = "message" in choice
    words = re.findall(r"\S+\s*", choice["message"]["content"] if by_chat else choice["text"])
    told = {**whole, "object": "chat.completion.chunk" if by_chat else whole["object"], "usage": None}
    deltas = [{"delta": {"content": word}} if by_chat else {"text": word} for word in words]
    if by_chat:
        deltas.insert(0, {"delta": {"role": "assistant", "content": ""}})
    shown = [{"index": 0, "logprobs": None, "finish_reason": None, **delta} for delta in deltas]
    shown[-1]["finish_reason"] = "length"
    events = [json.dumps({**told, "choices": [each]}) for each in shown]
    parts = tuple(f"data: {event}\n\n".encode() for event in [*events, "[DONE]"])
    return Answer(200, headers={"content-type": "text/event-stream; charset=utf-8"}, parts=parts)


def _generated(
    profile: Profile, kind: str, model: str, choices: list[dict[str, Any]], tokens: int, **more: Any
) -> Answer:
    generated = tokens * len(choices)
    usage = {
        "prompt_tokens": len(choices),
        "total_tokens": len(choices) + generated,
        "completion_tokens": generated,
        "prompt_tokens_details": None,
        "completion_tokens_details": None,
    }
    return json_answer(
        200,
        {
            "id": f"{'cmpl' if kind == 'text_completion' else 'chatcmpl'}-{uuid.uuid4().hex}",
            "object": kind,
            "created": int(time.time()),
            "model": model,
            "choices": choices,
            "service_tier": None,
            "system_fingerprint": f"vllm-{profile.version}",
            "usage": usage,
            "kv_transfer_params": None,
            "ec_transfer_params": None,
            "metrics": None,
            **more,
        },
    )
