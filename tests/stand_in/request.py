# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request, as the log keeps it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass
class Request:
    """One request as the log keeps it. status: None until an answer is sent; fault: the kind of what hit it."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes = b""
    status: int | None = None
    authorized: bool = True
    fault: str | None = None

    @property
    def body(self) -> dict[str, Any] | None:
        """The JSON object in the body, or None."""
        try:
            value = json.loads(self.raw)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def as_line(self) -> dict[str, Any]:
        """For a log that is written down: without the headers, where the key is."""
        return {name: getattr(self, name) for name in ("method", "path", "body", "status", "authorized")}
