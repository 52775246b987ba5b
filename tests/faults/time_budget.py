# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long one run may take at most, computed from its options: every request as slow as they allow, none answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_GRACE = 0.2  # seconds that the whole of an answer has beyond its time-out


def seconds_at_most(options: Mapping[str, Any], served: int) -> float:
    """The budget of a run on a node that serves so many adapters."""
    # The list, and /health where the Rust front-end's list is not enough.
    read = 2 * _request(options, options["timeout"])
    if "load_timeout" not in options:
        return read
    write = _request(options, options["load_timeout"])
    # A load whose answer got lost is looked for in the list; a refused unload is tried once more.
    load = write + read + max(options["load_timeout"], options["timeout"]) + read
    unload = 2 * (read + read) + write
    restore = read + load + read
    swap = load + read + unload + load + restore + unload
    entry = load + read + load + unload + swap + read + restore  # rehearsed, in place, that failed, and put back
    entries = len(options.get("adapters", [None])) + served
    return 3 * read + served * unload + entries * entry


def _request(options: Mapping[str, Any], limit: float) -> float:
    attempts = options["retries"] + 1
    pause = 1.5 * options["retry_delay"] * 2 ** options["retries"]
    return attempts * (limit + _GRACE + pause)
