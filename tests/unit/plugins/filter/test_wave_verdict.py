# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failed and lost sites count against a wave, sites that were offline do not."""

from __future__ import annotations

import pytest

wave_verdict = pytest.importorskip("ansible_collections.sovereign.vllm.plugins.filter.wave_verdict").wave_verdict

FAILED = {"lora_failure": "It does not answer."}
HOSTVARS: dict[str, dict] = {"good": {}, "failed": FAILED, "lost": {}, "offline": FAILED}


def test_failed_and_lost_sites_are_named() -> None:
    verdict = wave_verdict(list(HOSTVARS), HOSTVARS, ["good", "failed", "offline"], ["offline"])
    assert verdict == {"failed": ["failed"], "lost": ["lost"], "stop": True, "ends": True}


@pytest.mark.parametrize(
    ("wave", "percentage", "stop"),
    [
        (["good"], 0, False),
        (["failed"], 100, False),
        (["failed"], 99.9, True),
        (["good", "failed"], 50, False),
        (["good", "failed", "offline"], 49, True),
        (["offline"], 0, False),
        ([], 0, False),
    ],
)
def test_the_limit_is_a_share_of_the_sites_that_answered(wave: list[str], percentage: float, stop: bool) -> None:
    verdict = wave_verdict(wave, HOSTVARS, list(HOSTVARS), ["offline"], percentage)
    assert verdict["stop"] is stop
    # Without a host that is left, Ansible runs no other wave.
    assert verdict["ends"] is (stop or set(wave) <= {"failed"})
