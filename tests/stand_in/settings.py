# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How one stand-in is started: what would be arguments and environment of a real server."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Settings:
    """All durations are in seconds. Names in capitals are vLLM's environment variables, --names its arguments."""

    # --served-model-name: the first is the parent of all adapters. --model: their root (default: the first name).
    base_models: Sequence[str] = ("tiny",)
    base_root: str | None = None
    version: str | None = None  # what /version says, instead of the profile's own
    api_key: str | Sequence[str] = ()  # --api-key
    runtime_lora: bool = True  # VLLM_ALLOW_RUNTIME_LORA_UPDATING
    enable_lora: bool = True  # --enable-lora
    # --lora-modules: name → path, or name → {"path": …, "base_model_name": …}. They are back after a restart.
    static: Mapping[str, str | Path | Mapping[str, Any]] = field(default_factory=dict)
    # VLLM_RUNTIME_LORA_ALLOWED_PATH_PREFIXES (Rust front-end); None: not set, and every local path is refused.
    allowed_prefixes: Sequence[str | Path] | None = ("/",)
    dev_routes: bool = False  # VLLM_SERVER_DEV_MODE
    max_model_len: int = 256
    max_lora_rank: int = 16
    max_loras: int = 2
    max_cpu_loras: int = 8
    max_logprobs: int = 20
    block_size: int = 16  # tokens in a block of the prefix cache, as told by /metrics; 128 on a CPU

    load_delay: float = 0.0  # how long each load by request takes
    completion_delay: float = 0.0  # how long each completion takes
    noise: float = 0.0  # nats: how much scores differ between requests for the same, as on GPUs
    death_delay: float | None = None  # from the death of the engine to the end of the server; None: the profile's own

    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    keep_alive: float = 5.0  # an idle connection is closed after this (uvicorn's default)
    ssl_context: ssl.SSLContext | None = None
    replicas: int = 1  # servers behind this one address, asked in turn
    control: bool = False  # the routes below /stand-in, see control.py

    @property
    def bases(self) -> list[tuple[str, str]]:
        """(served name, root) of each base model."""
        return [(name, self.base_root or self.base_models[0]) for name in self.base_models]

    @property
    def api_keys(self) -> tuple[str, ...]:
        return (self.api_key,) if isinstance(self.api_key, str) else tuple(self.api_key)
