# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do adapters have an effect, and are these the weights? On a real server, also while it has other work."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.site import Site

# 50 takes some minutes; more of them find no other faults.
TIMES = int(os.environ.get("SMOKE_TIMES", "10"))
# A CPU has blocks of 128 tokens in its prefix cache.
LONG = (
    "The site declares which adapters it wants, and every server keeps what was declared. When somebody unloads one "
    "behind our back, the audit finds the drift and the next run heals it. No adapter that is wanted goes missing because "
    "of us, and a server that is down is not called empty."
) * 3


@contextmanager
def load_of(site: Site, models: list[str]) -> Iterator[list[int]]:
    """Four clients ask several models all the time; how many were answered is in the list. None may fail."""
    done = threading.Event()
    answered: list[int] = []

    def ask_all_the_time() -> None:
        while not done.is_set():
            site.server.complete(
                random.choice(models), tokens=random.randrange(1, 24), prompt=f"Audit {random.random()}"
            )
            answered.append(1)

    clients = [threading.Thread(target=ask_all_the_time) for _client in range(4)]
    for client in clients:
        client.start()
    try:
        yield answered
    finally:
        done.set()
        for client in clients:
            client.join()
    assert site.server.healthy()


def test_adapters_without_effect_are_told_from_good_ones_under_load(site: Site) -> None:
    """The two bad ones pass every check of the server: all zero, and names of tensors that match no module."""
    for name, example in {"good": "first", "zero": "zero", "misnamed": "misnamed", "busy": "second"}.items():
        site.server.load(name, site.artifact(name, example))
    models = ["good", "zero", "misnamed"] * TIMES
    task = """
- name: see
  sovereign.vllm.vllm_smoke_test: {models: ["{{ item }}"], differs_from_base: true}
  loop: "{{ models }}"
  ignore_errors: true
"""
    # One task for each, since a task asks no model twice.
    # On a CPU before 0.33, requests for adapters change the base model's answers, so nothing can be measured then.
    is_right = tuple(map(int, site.server.version().split(".")[:2])) >= (0, 33)
    with load_of(site, [site.base_model, *(["good", "busy"] if is_right else [])]) as answered:
        results = site.run(task, variables={"models": models})["see"]["results"]
    verdicts = [(result["item"], result.get("error", {}).get("code")) for result in results]
    assert len(answered) > len(models)
    assert verdicts == [(name, None if name == "good" else "adapter_without_effect") for name in models]
    if not is_right:
        with load_of(site, ["good", "busy"]):
            seen = site.run(task, variables={"models": ["good", "zero", "misnamed"]})["see"]
        assert [result.get("error") for result in seen["results"]] == [None] * 3
        assert len(seen.warnings) == 3


def test_other_weights_and_a_stale_prefix_cache(site: Site) -> None:
    path = site.artifact("sql")
    site.server.load("sql", path)
    site.server.load("other", site.artifact("other", "second"))
    prompts = {"prompts": [LONG]}

    def look(model: str, rc: int = 0, **options: Any) -> Any:
        task = """
- name: look
  sovereign.vllm.vllm_smoke_test:
  args: "{{ options }}"
"""
        return site.run(task, rc=rc, variables={"options": {"models": [model], **options}})["look"]

    taken = look("sql", fingerprint=True, **prompts)["fingerprints"]["sql"]
    right = look("other", fingerprint=True, **prompts)["fingerprints"]["other"]
    with load_of(site, ["sql", "other", site.base_model]):
        assert look("sql", expect={"sql": taken}).status == "ok"
        assert look("other", expect={"other": taken}, rc=2).code == "other_weights"
    # Overwritten files are of no account until they are loaded.
    site.artifact("sql", "second")
    assert look("sql", expect={"sql": taken}).status == "ok"
    site.server.unload("sql")
    site.server.load("sql", path)
    found = look("sql", expect={"sql": taken}, rc=2)
    assert found.code == "other_weights"
    assert "prefix cache is stale" in found.msg
    # The weights are right now, and what was asked before is still answered from the old ones.
    assert look("sql", expect={"sql": right}, rc=2).code == "stale_prefix_cache"
    assert look("sql", fingerprint=True, **prompts, rc=2).code == "stale_prefix_cache"
    site.server.load("fresh", path)
    assert look("fresh", expect={"fresh": right}).status == "ok"
