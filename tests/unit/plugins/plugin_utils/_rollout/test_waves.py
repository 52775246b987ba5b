# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions of a rollout: its waves, the sites that take part, and the words for how it ended."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

rollout = pytest.importorskip("ansible_collections.sovereign.vllm.plugins.plugin_utils._rollout.waves")
errors = pytest.importorskip("ansible_collections.sovereign.vllm.plugins.module_utils._errors")
executor = pytest.importorskip("ansible.executor.playbook_executor")

SITES = [f"edge{number}" for number in range(7)]


@pytest.mark.parametrize("serial", ["1,25%", [1, "25%"], '[1, "25%"]', "['1', '25%']", 3, "100%", [2, 1], "1%"])
def test_waves_are_those_that_ansible_makes(serial: Any) -> None:
    inventory = SimpleNamespace(get_hosts=lambda *_pattern, **_order: list(SITES))
    play = SimpleNamespace(hosts="all", order=None, serial=rollout.sizes_of(serial))
    batches = executor.PlaybookExecutor._get_serialized_batches(SimpleNamespace(_inventory=inventory), play)
    assert rollout.waves_of(SITES, serial) == batches


@pytest.mark.parametrize("serial", ["few", "", None, [], "0", [1, "-1"], "1.5", True, {"a": 1}, [[1]]])
def test_other_sizes_are_refused(serial: Any) -> None:
    with pytest.raises(errors.VllmError, match=r"lora_serial is .*; give the sizes of waves, such as 1,25%"):
        rollout.sizes_of(serial)


def looked(**results: Any) -> dict[str, Any]:
    return {"read": {"settings": {}}, "served": {"adapters": []}, "ping": {}, "boot": [{}, {}], **results}


FAILED = {"failed": True, "msg": "It answered 401.", "error": {"code": "auth"}}
DOWN = {"failed": True, "msg": "It is off.", "error": {"code": "dns"}}


@pytest.mark.parametrize(
    ("results", "group", "unknown"),
    [
        ({}, "lora_ready", []),
        ({"served": FAILED}, "lora_ready", ["It answered 401."]),
        ({"served": DOWN}, "lora_offline", ["It is off."]),
        ({"served": {"unreachable": True}}, "lora_offline", []),
        ({"ping": {"unreachable": True}}, "lora_offline", []),
        ({"read": FAILED, "served": {}}, "lora_ready", ["It answered 401."]),
        ({"read": {**FAILED, "misplaced": ["lora_serial"]}}, "lora_misplaced", ["It answered 401."]),
        ({"boot": [{}, {"failed": True, "msg": "It is a directory."}]}, "lora_ready", ["It is a directory."]),
        ({"served": {}}, "lora_ready", ["It is not known what the site serves."]),
    ],
)
def test_a_site_takes_part_unless_it_is_offline(results: dict, group: str, unknown: list[str]) -> None:
    assert rollout.group_of(looked(**results), True, True) == group
    assert rollout.unknown_of(looked(**results)) == unknown
    assert rollout.group_of(looked(**results), False, False) == "lora_not_declared"
    assert rollout.group_of(looked(**results), True, False) == "lora_not_approved"


def test_how_a_rollout_ended_at_each_site() -> None:
    wave: dict[str, Any] = {"lora_wave": {}}
    done = {**wave, "lora_verdict": {}}
    failed = {**done, "lora_failure": "It does not answer."}
    hostvars = {
        "as_before": {**done, "lora_result": {"changed": False}, "lora_unloaded": {"skipped": True, "changed": False}},
        "loaded": {**done, "lora_result": {"changed": True}},
        "booted": {**done, "lora_result": {"changed": False}, "lora_boot_written": {"changed": True}},
        "lost": {**wave, "lora_result": {"changed": True}},
        "back": {**failed, "lora_restored": True},
        "mate": {**done, "lora_restored": True, "lora_result": {"changed": True}},
        "stuck": {**failed, "lora_restored": False},
        "unseen": failed,
        "off": done,
        "later": {},
        "bare": {},
        "new": {},
    }
    left_alone = {"offline": {"off"}, "not_declared": {"bare"}, "not_approved": {"new"}}
    outcome = rollout.ended_as(hostvars, hostvars, left_alone)
    assert outcome == {
        "changed": ["loaded", "booted"],
        "unchanged": ["as_before"],
        "failed": ["back", "stuck", "unseen"],
        "lost": ["lost"],
        "restored": ["back", "mate"],
        "not_restored": ["stuck"],
        "offline": ["off"],
        "not_tried": ["later"],
        "not_declared": ["bare"],
        "not_approved": ["new"],
    }
    assert rollout.lines_of(outcome, len(hostvars)) == [
        "12 sites: 2 changed, 1 unchanged, 3 failed, 1 lost, 2 restored, 1 not restored, 1 offline, 1 not tried, "
        "1 not declared, 1 not approved",
        "changed: loaded, booted",
        "failed: back, stuck, unseen",
        "lost on the way: lost",
        "restored: back, mate",
        "not restored (check them by hand): stuck",
        "offline: off",
        "not tried: later",
        "not declared: bare",
        "not approved: new",
    ]
