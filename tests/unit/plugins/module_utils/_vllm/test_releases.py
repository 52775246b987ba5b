# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a release by its version, however it is written."""

from __future__ import annotations

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.answers import Answer, read_version
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.releases import (
    cache_risk,
    load_in_place_sticks,
    parse_comparisons,
    parse_version,
    require_load_in_place,
    require_supported,
    satisfies,
)
from packaging.specifiers import SpecifierSet


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("0.32.0", (0, 32, 0)),
        ("0.6.1.post2", (0, 6, 1)),
        ("0.32.0+cpu", (0, 32, 0)),
        ("0.11.1rc2", (0, 11, 1)),
        ("0.9.1.dev12+g5f3aef6.precompiled", (0, 9, 1)),
        ("1.0", (1, 0, 0)),
        ("0.1.dev1+g5f3aef6", None),  # built without tags: the number tells nothing
        ("dev", None),
        ("", None),
        (None, None),
        ("9" * 5000, None),
    ],
)
def test_parsed(text: str, parsed: tuple) -> None:
    assert parse_version(text) == parsed


@pytest.mark.parametrize("version", ["0.6.0", "0.6.6.post1", "0.5.4"])
def test_too_old(version: str) -> None:
    with pytest.raises(VllmError, match=r"cannot show what it serves; upgrade it to 0\.7\.0 or later"):
        require_supported(version, "http://node")


@pytest.mark.parametrize("version", ["0.7.0", "0.32.0", "1.0.0", "0.1.dev7", None, "unknown"])
def test_supported_or_not_known_to_be_too_old(version: str) -> None:
    require_supported(version, "http://node")


@pytest.mark.parametrize(
    ("version", "sticks"), [("0.15.0", True), ("0.32.0+cpu", True), ("0.33.0", False), ("1.0.0", False), (None, False)]
)
def test_load_in_place_sticks_up_to_0_32(version, sticks) -> None:
    assert load_in_place_sticks(version) is sticks


def test_in_place_needs_0_15() -> None:
    for version in ("0.15.0", "0.32.0", None):
        require_load_in_place(version, "http://node")
    with pytest.raises(VllmError, match=r"option reload_strategy is in_place, which vLLM '0\.14\.1' ignores"):
        require_load_in_place("0.14.1", "http://node")


@pytest.mark.parametrize(
    ("version", "other_path", "same_path"),
    [
        ("0.7.0", False, False),
        ("0.11.0", False, False),
        ("0.11.1", True, True),
        ("0.30.0", True, True),
        ("0.31.0", False, True),
        ("0.32.0", False, True),
        (None, False, True),
    ],
)
def test_cache_risk(version: str, other_path: bool, same_path: bool) -> None:
    assert bool(cache_risk(version, same_path=False)) is other_path
    assert bool(cache_risk(version, same_path=True)) is same_path


@pytest.mark.parametrize(
    ("status", "body", "version"),
    [
        (200, '{"version":"0.32.0"}', "0.32.0"),
        (200, '{"version":"0.30.0","rust_frontend_version":"0.30.0"}', "0.30.0"),
        (200, '{"version":"0.32.0\\u001b[2J"}', "0.32.0\\x1b[2J"),
        (200, '{"version":7}', None),
        (200, "[]", None),
        (200, "<p>Welcome</p>", None),
        (404, '{"version":"0.32.0"}', None),
    ],
)
def test_version_that_is_told(status: int, body: str, version: str) -> None:
    assert read_version(Answer("http://node/version", status, body)) == version


VERSIONS = (
    *("0.33.0", "0.33", "0.33.1", "0.34.0", "0.33.0+cu128", "0.10.1.1", "0.10.1", "0.33.0.post1", "0.33.0.post1+cpu"),
    *(
        "0.33.0.dev3",
        "0.33.1.dev7+g0a1b2c3.d20260101",
        "0.33.0rc1",
        "0.33.0rc2.dev5+gabc",
        "0.33.0a1",
        "0.33.0.post1.dev2",
    ),
)


@pytest.mark.parametrize("comparison", [">=", "<=", ">", "<", "==", "!="])
def test_compared_like_versions_of_python_packages(comparison: str) -> None:
    wrong = []
    # Of strict comparisons with builds, versions of the library `packaging` differ.
    builds = () if comparison in ("<", ">") else ("0.33.0rc1", "0.33.0.post1", "0.33.1.dev2")
    for bound in ("0.33", "0.33.0", "0.10.1", *builds):
        comparisons = parse_comparisons(f"{comparison} {bound}")
        expected = SpecifierSet(f"{comparison}{bound}")
        wrong += [
            (version, comparison, bound)
            for version in VERSIONS
            if satisfies(version, comparisons) != expected.contains(version, prereleases=True)
        ]
    assert wrong == []


def test_all_comparisons_count() -> None:
    comparisons = parse_comparisons(">=0.31,<0.34 , !=0.32.0")
    assert [
        v for v in ("0.30.9", "0.31.0", "0.32.0", "0.33.1", "0.34.0rc1", "0.34.0") if satisfies(v, comparisons)
    ] == [
        "0.31.0",
        "0.33.1",
    ]
    # A suffix that is no version of Python packages is a distributor's, and the release counts.
    assert satisfies("0.33.0-rocm", comparisons)
