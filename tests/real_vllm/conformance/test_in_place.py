# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A load in place on a real server, where a refusal would cost the adapter up to 0.32, and the server from 0.33 on."""

from __future__ import annotations

import re

import pytest

from tests.support.site import Site

from .traffic import traffic

MOVE = """
- name: move
  sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/new", reload_strategy: in_place}
"""


@pytest.fixture
def release(site: Site) -> tuple[int, ...]:
    """Such as (0, 33). Releases before 0.15 have no loads in place, and what is refused there is tried on a stand-in."""
    numbers = tuple(map(int, re.findall(r"\d+", site.server.version())[:2]))
    if numbers < (0, 15):
        pytest.skip("vLLM has load_inplace from 0.15 on")
    return numbers


@pytest.mark.parametrize("state", ["present", "reloaded"])
def test_tensor_larger_than_the_layer_under_traffic(site: Site, release: tuple[int, ...], state: str) -> None:
    """The server lives, every request is answered by the old weights, and the sentence says what was refused."""
    old = site.artifact("old")
    site.server.load("sql", old)
    said = site.server.complete("sql")
    # The name is declared from a new directory, or its own files have been overwritten.
    directory = "new" if state == "present" else "old"
    site.artifact(directory, "oversized")
    task = MOVE.replace("/new", f"/{directory}").replace("in_place", f"in_place, state: {state}")
    with traffic(site) as answers:
        moved = site.run(task, rc=2)["move"]
    # A request after the refusal is what killed the server.
    assert site.server.complete("sql") == said
    assert set(answers) == {said}
    assert site.server.healthy()
    assert site.server.served() == {"sql": old}
    assert (moved.code, moved.changed) == ("artifact_rejected", False)
    assert f"Could not rehearse adapter 'sql' from '{site.artifacts}/{directory}'" in moved.msg
    assert "must match the size of tensor" in moved.msg


def test_another_path_without_a_gap(site: Site, release: tuple[int, ...]) -> None:
    """Nobody is told that the name is not there, and the warning tells what this release makes of the files."""
    new = site.artifact("new", "second")
    site.server.load("sql", site.artifact("old"))
    site.server.load("fresh", new)
    said, says = site.server.complete("sql"), site.server.complete("fresh")
    with traffic(site) as answers:
        run = site.run(MOVE)
    assert answers[0] == said
    assert site.server.served() == {"sql": new, "fresh": new}
    assert site.server.complete("sql") == says
    assert site.asked.count("POST /v1/load_lora_adapter") == 2

    # What is done to the files afterwards shows at once while the flag sticks.
    site.artifact("new", "first")
    sticks = site.server.complete("sql") != says
    assert sticks is (release < (0, 33))
    assert any("reads it from disk again" in warning for warning in run["move"].warnings) is sticks
