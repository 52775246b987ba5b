# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line and the environment of a server."""

from __future__ import annotations

import os
from pathlib import Path

from tests.real_vllm.layout import cache_root, venv_python
from tests.real_vllm.releases import no_thread_binding


def command(version: str, port: int, max_loras: int, model: Path) -> list[str]:
    """The command line; it holds no secret, for every user of the machine can read it."""
    command = [str(venv_python(version)), "-m", "vllm.entrypoints.openai.api_server"]
    command += ["--model", str(model), "--served-model-name", "tiny"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    # With bfloat16 vLLM takes AMX wherever the processor has it, and dies where a virtual machine does not let it.
    command += ["--dtype", "float32", "--max-model-len", "256", "--max-num-seqs", "4", "--enforce-eager"]
    command += ["--num-gpu-blocks-override", "128"]  # of the KV cache: enough for 4 times 256 tokens, not 1 GiB
    command += ["--enable-lora", "--max-loras", str(max_loras), "--max-cpu-loras", "8", "--max-lora-rank", "16"]
    command += ["--chat-template", "{{ messages[0]['content'] }}"]  # the tiny tokenizer has none
    return command


def process_environment(version: str, api_key: str | None) -> dict[str, str]:
    """The caller's environment without what would change the server: its VLLM_* and PYTHON* variables."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("VLLM_", "PYTHON"))}
    environment |= {
        "VLLM_TARGET_DEVICE": "cpu",
        "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
        # Binding fails in containers that may not set affinities.
        "VLLM_CPU_OMP_THREADS_BIND": no_thread_binding(version),
        # Two threads spin while they wait for each other: on two busy cores 48 tokens took minutes instead of 0.3 s.
        "OMP_NUM_THREADS": "1",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CACHE_ROOT": str(cache_root() / "vllm-cache"),
        "VLLM_CONFIG_ROOT": str(cache_root() / "vllm-config"),
        "HF_HUB_OFFLINE": "1",
    }
    return environment | ({"VLLM_API_KEY": api_key} if api_key else {})
