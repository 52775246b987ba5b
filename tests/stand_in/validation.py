# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the body of a POST as FastAPI and pydantic do: what they let pass, and what they say about the rest."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from . import answers
from .answers import Answer
from .profiles import Profile
from .request import Request

NOTHING = object()  # the default null
# Field, type, default; None: required. Unknown fields are ignored in every release.
LOAD = {
    "lora_name": (str, None),
    "lora_path": (str, None),
    "load_inplace": (bool, False),
    "is_3d_lora_weight": (bool, False),
}
UNLOAD = {"lora_name": (str, None)}
COMPLETION: dict[str, tuple[type, Any]] = {
    "model": (str, ""),
    "prompt": (object, ""),
    "max_tokens": (int, 16),
    "stream": (bool, False),
    "logprobs": (object, NOTHING),
    "cache_salt": (object, NOTHING),
}
CHAT: dict[str, tuple[type, Any]] = {
    "model": (str, ""),
    "messages": (object, None),
    "max_tokens": (int, 16),
    "stream": (bool, False),
    "logprobs": (bool, False),
    "top_logprobs": (object, NOTHING),
    "cache_salt": (object, NOTHING),
}

NO_OBJECT = "Input should be a valid dictionary or object to extract fields from"
_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def parse(profile: Profile, request: Request, model: dict[str, tuple[type, Any]]) -> dict[str, Any] | Answer:
    """The fields of the body, or the answer that says what is wrong with it."""
    media_type = request.headers.get("content-type", "").lower().split(";")[0]
    path = urlsplit(request.path).path
    if media_type != "application/json":
        if profile.media_type_status:
            return answers.unsupported_media_type(profile)
        return answers.invalid(profile, path, [_problem("model_attributes_type", (), NO_OBJECT, request.raw)])
    try:
        body = json.loads(request.raw) if request.raw else None
    except json.JSONDecodeError as error:
        problem = _problem("json_invalid", (error.pos,), "JSON decode error", {})
        return answers.invalid(profile, path, [{**problem, "ctx": {"error": error.msg}}])
    if body is None:
        return answers.invalid(profile, path, [_problem("missing", (), "Field required", None)])
    if not isinstance(body, dict):
        return answers.invalid(profile, path, [_problem("model_attributes_type", (), NO_OBJECT, body)])
    fields, problems = _fields(body, model)
    return answers.invalid(profile, path, problems) if problems else fields


def _problem(kind: str, location: tuple[Any, ...], text: str, value: Any) -> dict[str, Any]:
    return {"type": kind, "loc": ("body", *location), "msg": text, "input": value}


def _fields(body: dict[str, Any], model: dict[str, tuple[type, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    fields = {}
    problems = []
    for name, (kind, default) in model.items():
        if name in body:
            fields[name], complaint = _convert(kind, body[name])
            if complaint:
                problems.append(_problem(complaint[0], (name,), complaint[1], body[name]))
        elif default is None:
            problems.append(_problem("missing", (name,), "Field required", body))
        else:
            fields[name] = None if default is NOTHING else default
    return fields, problems


def _convert(kind: type, value: Any) -> tuple[Any, tuple[str, str] | None]:
    """The value as pydantic takes it, and the type and text of its complaint."""
    if kind is str and not isinstance(value, str):
        return None, ("string_type", "Input should be a valid string")
    if kind is bool:
        if str(value).lower() not in _BOOLEANS:
            return None, ("bool_parsing", "Input should be a valid boolean, unable to interpret input")
        return _BOOLEANS[str(value).lower()], None
    if kind is int:
        if not str(value).isdecimal():
            return None, ("int_parsing", "Input should be a valid integer, unable to parse string as an integer")
        return int(value), None
    return value, None


def parse_register(profile: Profile, request: Request) -> dict[str, Any] | Answer:
    """As `parse`, for POST /adapters: without a JSON body its fields are read from the query.

    Source: model-hosting-container-standards 0.1.16, which vLLM uses from 0.11.1 on.
    """
    body = request.body or dict(parse_qsl(urlsplit(request.path).query))
    problems: list[dict[str, Any]] = []
    for name in ("name", "src"):
        if name not in body:
            problems.append({"type": "missing", "loc": [name], "msg": "Field required", "input": body})
        elif body[name] == "":
            text = f"The parameter {name} cannot be an empty string"
            problem = {"type": "value_error", "loc": [name], "msg": f"Value error, {text}", "input": ""}
            problems.append({**problem, "ctx": {"error": text}})
        elif not isinstance(body[name], str):
            text = "Input should be a valid string"
            problems.append({"type": "string_type", "loc": [name], "msg": text, "input": body[name]})
    if problems:
        return answers.error(profile, 400, "Bad Request", json.dumps(problems, separators=(",", ":")))
    return body
