# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of one adapter on every generation of vLLM, and on a server that is started in another way."""

from __future__ import annotations

import pytest

from tests.integration.lifecycle.one_adapter import OneAdapter
from tests.support.playbook import AS_MODULE
from tests.support.site import Site

from .conftest import NewSite

# A release for each way to answer a load, a refusal and an unload. Others differ in words, which the recorded answers hold.
GENERATIONS = ["0.7", "0.8.0", "0.9", "0.10.1", "0.22", "0.32", "rust"]


class TestEveryGeneration(OneAdapter):
    @pytest.fixture(params=GENERATIONS)
    def site(self, request: pytest.FixtureRequest, new_site: NewSite) -> Site:
        return new_site(profile=request.param)


class TestEveryWayToRun(OneAdapter):
    """All ways at once: as a module, on a server with a key, whose base model has an alias and lies in a directory."""

    @pytest.fixture
    def site(self, new_site: NewSite) -> Site:
        aliases = ("tiny", "tiny-alias")
        return new_site(host=AS_MODULE, api_key="sesame", base_models=aliases, base_root="/models/tiny")
