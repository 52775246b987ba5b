# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of one adapter on every generation of vLLM, and on servers that are started in other ways."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lifecycle.one_adapter import OneAdapter
from tests.support.playbook import AS_MODULE
from tests.support.site import Site

from .conftest import NewSite

# A release for each way to answer a load, a refusal and an unload. Others differ in words, which the recorded answers hold.
GENERATIONS = ["0.7", "0.8.0", "0.9", "0.10.1", "0.14", "0.17", "0.22", "0.30", "0.32", "rust"]
VARIANTS: dict[str, dict[str, Any]] = {
    "with a key": {"api_key": "sesame"},
    "with aliases": {"base_models": ("tiny", "tiny-alias"), "base_root": "/models/tiny"},
    "as a module": {"host": AS_MODULE},
}


class TestEveryGeneration(OneAdapter):
    @pytest.fixture(params=GENERATIONS)
    def site(self, request: pytest.FixtureRequest, new_site: NewSite) -> Site:
        return new_site(profile=request.param)


class TestEveryWayToRun(OneAdapter):
    @pytest.fixture(params=VARIANTS)
    def site(self, request: pytest.FixtureRequest, new_site: NewSite) -> Site:
        return new_site(**VARIANTS[request.param])
