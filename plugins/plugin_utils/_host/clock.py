# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times as reports, results and variables have them."""

from __future__ import annotations

import time


def utc(seconds: float | None = None) -> str:
    """Return a time in UTC as ISO 8601, such as ``2026-11-28T12:00:00Z``.

    :param seconds: since the epoch. None is now.
    """
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
