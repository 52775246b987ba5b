# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole node, on an old release, the newest and the Rust front-end; each release by itself: test_one_adapter.py."""

from __future__ import annotations

import pytest

from tests.integration.lifecycle.whole_node import WholeNode
from tests.support.server import REHEARSAL_SUFFIX
from tests.support.site import Site

from .conftest import NewSite


class TestEveryWayToAnswer(WholeNode):
    @pytest.fixture(params=["0.7", "0.32", "rust"])
    def site(self, request: pytest.FixtureRequest, new_site: NewSite) -> Site:
        return new_site(profile=request.param)


def test_prune_removes_what_killed_runs_left_and_no_static_adapter_that_is_declared(new_site: NewSite) -> None:
    site = new_site()
    path = site.artifact("sql")
    for name in ("sql", f"sql{REHEARSAL_SUFFIX}", f"other{REHEARSAL_SUFFIX}"):
        site.server.load(name, path)
    run = site.run(
        """
        - name: converge
          sovereign.vllm.vllm_lora_adapters: {adapters: [{name: sql, path: "{{ artifacts }}/sql"}], prune: true}
        """
    )
    assert run["converge"].changed
    assert [adapter["name"] for adapter in run["converge"]["adapters"]] == ["sql"]
    assert site.server.served() == {"sql": path}
