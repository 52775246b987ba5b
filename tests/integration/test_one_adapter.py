# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of one adapter on every generation of vLLM, and on servers that are started in other ways."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lifecycle.one_adapter import OneAdapter
from tests.support.playbook import AS_MODULE
from tests.support.site import Site

from .conftest import SUPPORTED, NewSite

VARIANTS: dict[str, dict[str, Any]] = {
    "with a key": {"api_key": "sesame"},
    "with aliases": {"base_models": ("tiny", "tiny-alias"), "base_root": "/models/tiny"},
    "as a module": {"host": AS_MODULE},
}


class TestEveryGeneration(OneAdapter):
    @pytest.fixture(params=SUPPORTED)
    def site(self, request: pytest.FixtureRequest, new_site: NewSite) -> Site:
        return new_site(profile=request.param)


class TestEveryWayToRun(OneAdapter):
    @pytest.fixture(params=VARIANTS)
    def site(self, request: pytest.FixtureRequest, new_site: NewSite) -> Site:
        return new_site(**VARIANTS[request.param])
