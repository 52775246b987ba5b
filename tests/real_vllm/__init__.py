# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real vLLM on the CPU for the tests, the demo and the benchmark: `with RealServer(max_loras=1) as server: ...`."""

from __future__ import annotations

from tests.real_vllm.layout import RealVllmError
from tests.real_vllm.real_server import RealServer

__all__ = ["RealServer", "RealVllmError"]
