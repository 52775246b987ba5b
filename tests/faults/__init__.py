# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proof that unattended runs can be trusted: every fault at every operation, and long random runs."""
