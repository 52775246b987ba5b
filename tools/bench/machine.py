# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that took the figures: without it, they mean nothing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from datetime import date
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """What matters for how fast things are here (Linux). load: processes that wanted a core in the last minute."""
    return {
        "taken": date.today().isoformat(),
        "processor": _first(r"^model name\s*: (.*)$", "/proc/cpuinfo") or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(_first(r"^MemTotal: +(\d+) kB$", "/proc/meminfo") or 0) / 2**20),
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("ansible-core", "requests")},
    }


def _first(pattern: str, file: str) -> str | None:
    found = re.search(pattern, Path(file).read_text(encoding="utf-8"), re.MULTILINE)
    return found and found[1]


def show(machine: dict[str, Any]) -> str:
    return (
        f"{machine['processor']}, {machine['cores']} cores (load {machine['load']} at the start), {machine['memory_gib']} GiB; "
        f"{machine['system']}; Python {machine['python']}, ansible-core {machine['ansible-core']}, "
        f"requests {machine['requests']}; {machine['taken']}"
    )
