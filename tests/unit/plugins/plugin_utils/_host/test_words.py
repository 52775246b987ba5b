# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and lists in sentences."""

from __future__ import annotations

import sys

import pytest

if sys.version_info < (3, 10):
    pytest.skip("These run on the controller.", allow_module_level=True)

from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.words import count_of, some_of


def test_numbers_have_their_nouns() -> None:
    assert [count_of(number, "site") for number in (0, 1, 2)] == ["0 sites", "1 site", "2 sites"]


def test_a_list_says_what_it_leaves_out() -> None:
    assert [some_of(["a", "b", "c"], most) for most in (2, 3)] == ["a, b and 1 more", "a, b, c"]
    assert some_of([], 2) == ""
