# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that answers like vLLM, release by release, without a model: for tests, demos and rehearsals.

    with StandIn(profile="0.32") as server:
        requests.get(f"{server.url}/v1/models")

From the command line: python -m tests.stand_in --help
"""

from __future__ import annotations

from .adapters import write_adapter, write_examples
from .faults import Fault
from .profiles import PROFILES, Profile, profile_for, rust_profile_for
from .request import Request
from .server import StandIn

__all__ = [
    "PROFILES",
    "Fault",
    "Profile",
    "Request",
    "StandIn",
    "profile_for",
    "rust_profile_for",
    "write_adapter",
    "write_examples",
]
