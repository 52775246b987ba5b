# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another artifact under a served name in one request, and what that is worth when it is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.site import run_on_all
from tests.vllm_stand_in import Fault

from .conftest import NewSite
from .swapping import LOAD, posts, serving_old

TASK = """
- name: move
  sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/new", reload_strategy: in_place}
  ignore_errors: true
"""


def test_one_request_and_a_warning(new_site: NewSite) -> None:
    site = serving_old(new_site())
    run = site.run(TASK)
    assert posts(site) == ["load sql"]
    assert site.server.served() == {"sql": str(site.artifacts / "new")}
    assert run["move"].changed
    assert any("in_place" in warning and "dies" in warning for warning in run["move"].warnings)


def test_refused_where_the_server_would_ignore_it(new_site: NewSite) -> None:
    site = serving_old(new_site(profile="0.14"))
    run = site.run(TASK)
    assert posts(site) == []
    assert "option reload_strategy is in_place, which vLLM '0.14.1' ignores" in run["move"].msg


def test_refusal_leaves_the_old_weights(new_site: NewSite, tmp_path: Path) -> None:
    # With a tensor larger than the layer the list is right and the weights are wrong until they are loaded anew.
    sites = {example: serving_old(new_site()) for example in ("rank64", "oversized")}
    said_before = {example: site.server.complete("sql") for example, site in sites.items()}
    for example, site in sites.items():
        site.artifact("new", example)
    moved = run_on_all(sites, TASK, tmp_path / "run").of("move")
    for example, site in sites.items():
        assert (moved[example].status, moved[example].changed) == ("failed", False), example
        assert site.server.served() == {"sql": str(site.artifacts / "old")}, example
        assert site.server.complete("sql") == said_before[example], example


@pytest.mark.parametrize("profile", ["0.17", "0.32"])
def test_files_that_cannot_be_read_anew_are_no_success(new_site: NewSite, tmp_path: Path, profile: str) -> None:
    """The list shows the path before as well as after, so it proves nothing."""
    codes = {"rank64": "artifact_rejected", "oversized": "artifact_rejected", "gone": "artifact_not_found"}
    sites = {case: serving_old(new_site(profile=profile)) for case in (*codes, "lost")}
    for case, site in sites.items():
        if case == "gone":
            shutil.rmtree(site.artifacts / "old")
        elif case == "lost":
            site.watched.faults.add(Fault("POST", LOAD, "reset"))
        else:
            site.artifact("old", case)
    task = """
    - name: reload
      sovereign.vllm.vllm_lora_adapter:
        {name: sql, path: "{{ artifacts }}/old", state: reloaded, reload_strategy: in_place}
    """
    reloaded = run_on_all(sites, task, tmp_path / "run", rc=None).of("reload")
    outcomes = {case: (result.changed, result.code) for case, result in reloaded.items()}
    assert outcomes == {case: (False, code) for case, code in {**codes, "lost": "unreachable"}.items()}
    assert "its weights may be damaged" in reloaded["oversized"].msg
