# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One plain HTTP request at a time, with exactly the headers that are named."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Reply:
    status: int
    content_type: str | None
    text: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def ask(
    url: str,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    timeout: float = 20,
) -> Reply:
    """Send one request. body: bytes as they are, anything else as JSON. timeout: seconds."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    headers = dict(headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        headers = {**JSON, **headers}
    try:
        connection.putrequest(method, path)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        text = response.read().decode()
        lower = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, lower.get("content-type"), text, lower)
    finally:
        connection.close()


def load(url: str, name: str, path: str | Path, **fields: Any) -> Reply:
    return ask(url, "POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(path), **fields})


def unload(url: str, name: str) -> Reply:
    return ask(url, "POST", "/v1/unload_lora_adapter", {"lora_name": name})


def served(url: str) -> dict[str, str]:
    """Name → root of everything in the list."""
    return {card["id"]: card["root"] for card in ask(url, "GET", "/v1/models").json["data"]}


def complete(url: str, model: str, prompt: str = "hello") -> Reply:
    return ask(url, "POST", "/v1/completions", {"model": model, "prompt": prompt, "max_tokens": 4})


def weights(url: str, model: str, prompt: str = "hello") -> str:
    """Which weights served a completion: the first word of the stand-in's text."""
    return complete(url, model, prompt).json["choices"][0]["text"].split()[0]


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether the condition comes true within so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False
