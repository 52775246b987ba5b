# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole node, on the generations that differ in how they answer, and what is pruned when answers are not whole."""

from __future__ import annotations

import pytest

from tests.lifecycle.whole_node import READ, WholeNode
from tests.support.playbook import AS_MODULE
from tests.support.server import REHEARSAL_SUFFIX
from tests.support.site import Site
from tests.vllm_stand_in import Fault

from .conftest import NewSite

PRUNE = """
- name: prune
  sovereign.vllm.vllm_lora_adapters: {adapters: [], prune: true, retries: 0, timeout: 2}
"""
HALF_LISTS = {
    "no model at all": Fault("GET", "/v1/models", "empty_list"),
    "cut short": Fault("GET", "/v1/models", "short_body"),
    "cut JSON": Fault("GET", "/v1/models", "cut_json"),
    "captive portal": Fault("GET", "/v1/models", "html"),
    "adapters alone": Fault(
        "GET",
        "/v1/models",
        "answer",
        json={"object": "list", "data": [{"id": "sql", "parent": "tiny", "root": "/sql", "max_model_len": None}]},
    ),
    "not found": Fault("GET", "/v1/models", "answer", status=404, json={"detail": "Not Found"}),
    "server error": Fault("GET", "/v1/models", "answer", status=500, text="Internal Server Error"),
}


class TestEveryWayToAnswer(WholeNode):
    @pytest.fixture(params=["0.7", "0.9", "0.14", "0.22", "0.32", "rust"])
    def site(self, request: pytest.FixtureRequest, new_site: NewSite) -> Site:
        return new_site(profile=request.param)


class TestAsModule(WholeNode):
    @pytest.fixture
    def site(self, new_site: NewSite) -> Site:
        return new_site(host=AS_MODULE)


@pytest.mark.parametrize("fault", HALF_LISTS.values(), ids=HALF_LISTS)
def test_nothing_is_pruned_on_the_word_of_half_a_list(new_site: NewSite, fault: Fault) -> None:
    site = new_site()
    site.server.load("sql", site.artifact("sql"))
    before = site.server.served()
    site.watched.faults.add(fault)
    run = site.run(PRUNE, rc=None)
    assert run.rc in (2, 4)
    assert not run["prune"].changed
    assert site.asked == [READ]
    site.watched.faults.clear()
    assert site.server.served() == before


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


def test_server_that_dies_under_way_is_unreachable_and_not_converged(new_site: NewSite) -> None:
    site = new_site()
    for name in ("sql", "tickets"):
        site.artifact(name)
    site.watched.faults.add(Fault("POST", "/v1/load_lora_adapter", "die", after=1))
    run = site.run(
        """
        - name: converge
          sovereign.vllm.vllm_lora_adapters:
            adapters:
              - {name: sql, path: "{{ artifacts }}/sql"}
              - {name: tickets, path: "{{ artifacts }}/tickets"}
            load_timeout: 5
            timeout: 5
        """,
        rc=4,
    )
    assert run["converge"].code == "unreachable"
    assert run.recap["site"]["unreachable"] == 1
