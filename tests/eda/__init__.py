# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source on its own, and the rulebook that heals, run by a real ansible-rulebook."""
