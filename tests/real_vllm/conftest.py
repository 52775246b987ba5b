# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the suites on a real vLLM."""

from __future__ import annotations

import pytest

from tests.real_vllm.layout import DEFAULT_VERSION
from tests.real_vllm.peft.environment import DEFAULT_PEFT


def pytest_addoption(parser: pytest.Parser) -> None:
    where = "release of vLLM's CPU build, installed if need be, where VLLM_EXTERNAL_URL names no server"
    parser.addoption("--vllm", metavar="RELEASE", default=DEFAULT_VERSION, help=where)
    parser.addoption("--peft", metavar="RELEASE", default=DEFAULT_PEFT, help="release of PEFT")
