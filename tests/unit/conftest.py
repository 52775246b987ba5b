# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the property tests: noxfile.py chooses the profile."""

from __future__ import annotations

from hypothesis import settings

# No deadline, since nothing absolute is timed: machines are noisy.
settings.register_profile("many", deadline=None)
settings.register_profile("few", deadline=None, max_examples=10)
settings.load_profile("many")
