# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults, and the code that each one has to end in: written from the table of errors, not from what was seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class KnownFault:
    """One fault and the rule for it.

    Attributes:
        name: as the guide shows it.
        how: keyword arguments of the stand-in's Fault; none where the server is down from the start.
        read: the code when the model list is answered like this.
        load, unload: the code when that is; None where it is as good as a plain yes, since the list settles it.
        effect: whether a write takes effect all the same.
        passing: whether a write that is hit once is rightly sent again.
        slow: whether the client waits, so that its time-outs have to be short.
    """

    name: str
    how: Mapping[str, Any] = field(hash=False)
    read: str
    load: str | None
    unload: str | None
    effect: bool = False
    passing: bool = False
    slow: bool = False


def _faults() -> Iterator[KnownFault]:
    yield KnownFault("refused", {}, "unreachable", "unreachable", "unreachable", slow=True)
    yield KnownFault("cut off", {"kind": "die"}, "unreachable", "unreachable", "unreachable", slow=True)
    for name, kind in (("reset before the answer", "reset"), ("silence", "silence")):
        code = "unreachable" if kind == "reset" else "timeout"
        yield KnownFault(name, {"kind": kind}, code, code, code, passing=True, slow=True)
        lost = {"kind": kind, "effect": True}
        yield KnownFault(f"{name} (took effect)", lost, code, None, None, effect=True, slow=True)
    for name, kind in (("reset in the answer", "reset_body"), ("answer cut short", "short_body")):
        yield KnownFault(name, {"kind": kind}, "unreachable", None, None, effect=True, slow=True)
    trickle = {"kind": "trickle_body", "interval": 1.0}
    yield KnownFault("slow trickle", trickle, "timeout", None, None, effect=True, slow=True)
    yield KnownFault("cut JSON", {"kind": "cut_json"}, "not_vllm", None, None, effect=True)
    mistyped = {"object": "list", "data": [{"id": 7, "object": "model", "max_model_len": 256}]}
    for name, how in (
        ("wrong types", {"kind": "answer", "json": mistyped}),
        ("HTML with 200", {"kind": "html"}),
        ("empty list", {"kind": "empty_list"}),
    ):
        yield KnownFault(name, how, "not_vllm", "not_converged", "not_converged")
    yield KnownFault("redirect", {"kind": "redirect"}, "not_vllm", "not_vllm", "not_vllm")
    yield KnownFault("ignored write", {"kind": "ignored"}, "not_vllm", "not_converged", "not_converged")
    yield from _statuses()


def _statuses() -> Iterator[KnownFault]:
    bodies: dict[str, Any] = {
        "JSON": {"json": {"error": {"message": "No.", "type": "Error", "param": None, "code": 0}}},
        "HTML": {"text": "<html><body>No.</body></html>", "headers": {"content-type": "text/html"}},
        "empty": {},
    }
    for status, codes in STATUSES.items():
        for body, content in bodies.items():
            read, load, unload = codes[body] if isinstance(codes, dict) else (codes,) * 3
            how = {"kind": "answer", "status": status, **content}
            unknown = status in (502, 503, 504) or (status == 500 and body != "JSON")
            passing = unknown or status in (429, 500)
            yield KnownFault(f"{status} {body}", how, read, load, unload, passing=passing, slow=unknown)
    for status in (500, 502):
        how = {"kind": "answer", "status": status, "effect": True}
        code = "server_error" if status == 500 else "unreachable"
        yield KnownFault(f"{status} empty (took effect)", how, code, None, None, effect=True, slow=True)


# Code, or codes of read, load and unload by body. JSON is vLLM's own error object, HTML a proxy's page.
_ODD = {
    "JSON": ("not_vllm", "artifact_rejected", "invalid_request"),
    "HTML": ("not_vllm", "invalid_request", "invalid_request"),
    "empty": ("not_vllm", "invalid_request", "invalid_request"),
}
STATUSES: dict[int, Any] = {
    401: "unauthorized",
    403: "forbidden",
    404: {
        "JSON": ("not_vllm", "artifact_not_found", "not_converged"),
        "HTML": ("not_vllm", "runtime_lora_disabled", "runtime_lora_disabled"),
        "empty": ("not_vllm", "runtime_lora_disabled", "runtime_lora_disabled"),
    },
    405: _ODD,
    409: _ODD,
    429: "throttled",
    500: {
        "JSON": ("server_error", "artifact_rejected", "server_error"),
        "HTML": ("server_error", "server_error", "server_error"),
        "empty": ("server_error", "server_error", "server_error"),
    },
    502: "unreachable",
    503: "unreachable",
    504: "unreachable",
}

FAULTS = tuple(_faults())
