# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A vLLM server as anybody on the network sees it: over plain HTTP, never through the code under test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.asking import Reply, ask

REHEARSAL_SUFFIX = "@sovereign.vllm-rehearsal"  # of the names that an interrupted run leaves behind


class Server:
    """The server at `url`, spoken to with the key, if it has one."""

    def __init__(self, url: str, api_key: str | None = None) -> None:
        self.url = url
        self.api_key = api_key

    @property
    def reading(self) -> list[str]:
        """The requests that it takes to read what is served: the Rust front-end's list is believed only with /health."""
        rust = any(card["owned_by"] == "vllm-frontend-rs" for card in self._cards())
        return ["GET /v1/models", "GET /health"] if rust else ["GET /v1/models"]

    def base_models(self) -> list[str]:
        return [card["id"] for card in self._cards() if card["max_model_len"]]

    def served(self) -> dict[str, str]:
        """Where each adapter is served from, by name."""
        return {card["id"]: card["root"] for card in self._cards() if not card["max_model_len"]}

    def healthy(self) -> bool:
        return self._ask("GET", "/health").status == 200

    def version(self) -> str:
        return self._ask("GET", "/version").json["version"]

    def load(self, name: str, path: Path | str) -> None:
        """Load an adapter behind everybody's back."""
        self._post("/v1/load_lora_adapter", lora_name=name, lora_path=str(path))

    def unload(self, name: str) -> None:
        """Unload an adapter behind everybody's back."""
        self._post("/v1/unload_lora_adapter", lora_name=name)

    def complete(self, model: str, tokens: int = 8, prompt: str | list[str] = "Audit") -> str:
        """What the model or adapter says, to the first prompt. No prompt here is as long as a block of the prefix cache, unless given."""
        request = {"model": model, "prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True}
        return self._post("/v1/completions", **request).json["choices"][0]["text"]

    def _cards(self) -> list[dict[str, Any]]:
        reply = self._ask("GET", "/v1/models")
        assert reply.status == 200, reply
        return reply.json["data"]

    def _post(self, path: str, **payload: Any) -> Reply:
        reply = self._ask("POST", path, payload)
        assert reply.status == 200, f"POST {path} of {payload} was answered {reply.status}: {reply.text}"
        return reply

    def _ask(self, method: str, path: str, payload: dict[str, Any] | None = None) -> Reply:
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        return ask(self.url, method, path, payload, headers, timeout=120)
