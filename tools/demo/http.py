# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain HTTP to a server, without the collection: the other client, and the checks of the demo."""

from __future__ import annotations

import json
import os
import urllib.request
from typing import Any


def call(url: str, body: dict[str, Any] | None = None, timeout: float = 60) -> str:
    """GET, or POST where there is a body, with the key of VLLM_API_KEY; raises OSError for anything but an answer 2xx."""
    request = urllib.request.Request(url, json.dumps(body).encode() if body is not None else None)
    request.add_header("Content-Type", "application/json")
    if os.environ.get("VLLM_API_KEY"):
        request.add_header("Authorization", "Bearer " + os.environ["VLLM_API_KEY"])
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return response.read().decode()


def models(url: str) -> list[dict[str, Any]]:
    """The cards of /v1/models."""
    return json.loads(call(url + "/v1/models"))["data"]


def served(url: str) -> dict[str, str]:
    """The adapters that are served, name to path: the cards without a context length (see max_model_len of vLLM)."""
    return {card["id"]: card["root"] for card in models(url) if card["max_model_len"] is None}


def base_model(url: str) -> str:
    return next(card["id"] for card in models(url) if card["max_model_len"] is not None)


def complete(url: str, model: str, prompt: str, tokens: int) -> str:
    """Text that the model, or the adapter, of this name goes on with."""
    body = {"model": model, "prompt": prompt, "max_tokens": tokens, "temperature": 0}
    return json.loads(call(url + "/v1/completions", body))["choices"][0]["text"]
