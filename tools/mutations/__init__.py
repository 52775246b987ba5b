# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that are put into the core on purpose, to see that the tests notice each one."""
