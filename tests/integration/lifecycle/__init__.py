# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold on every server, written once: tests/integration runs it on stand-ins, tests/real_vllm/conformance on a real vLLM.

Each test gets a `site` that serves nothing but its base models and static adapters.
"""
