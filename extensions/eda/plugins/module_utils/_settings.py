# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the event source, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from sovereign_vllm.plugins.module_utils._errors import invalid_option, quoted


@dataclass(frozen=True)
class Settings:
    """How the source watches; times are in seconds.

    ``interval`` lies between two observations of one endpoint and is varied by the fraction ``jitter`` of it;
    ``debounce`` observations must agree; after ``repeat_after`` a drift that lasts is told again (None: never).
    """

    declaration: Path
    interval: float = 30.0
    jitter: float = 0.1
    debounce: int = 2
    repeat_after: float | None = None

    @property
    def confirming_interval(self) -> float:
        """Between the observations that confirm a change: short, so that debouncing does not delay a remedy much."""
        return self.interval / 10


def read_settings(args: Mapping) -> Settings:
    """Return the settings that a rulebook gives; numbers may be text, as they are when they come from variables.

    :raises VllmError: ``invalid_request``.
    """
    known = [field.name for field in fields(Settings)]
    for option in args:
        if option not in known:
            raise invalid_option(quoted(option), "is unknown", f"use {', '.join(known)}")
    if not args.get("declaration"):
        raise invalid_option("declaration", "is missing", "name the file with the endpoints and their adapters")
    given = {"declaration": Path(os.path.expandvars(str(args["declaration"]))).expanduser()}
    for option, kind, smallest, largest in (
        ("interval", float, 0.1, 86400),
        ("jitter", float, 0, 1),
        ("debounce", int, 1, 100),
        ("repeat_after", float, 0.1, 86400),
    ):
        if args.get(option) is not None:
            given[option] = _number(option, args[option], kind, smallest, largest)
    return Settings(**given)


def _number(option: str, value: object, kind: type, smallest: float, largest: float) -> float:
    advice = f"give a number from {smallest} to {largest}"
    try:
        number = kind(str(value))
    except ValueError:
        raise invalid_option(option, f"is {quoted(value)}, which is no number of the right kind", advice) from None
    if not smallest <= number <= largest:
        raise invalid_option(option, f"is {quoted(value)}", advice)
    return number
