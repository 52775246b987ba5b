# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the property tests: noxfile.py chooses the profile."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("few", max_examples=10)
