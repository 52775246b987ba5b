# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from tests.integration.conftest import new_site

__all__ = ["new_site"]
