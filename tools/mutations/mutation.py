# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The form of a fault, and the names of the tests that ought to notice it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """One fault.

    promise: what is broken, in a few words. module: a file of plugins/module_utils, without its ending.
    before, after: the text to replace, which occurs there exactly once, and what replaces it.
    tests: the cheapest that ought to notice.
    """

    promise: str
    module: str
    before: str
    after: str
    tests: tuple[str, ...]


def unit(*names: str) -> tuple[str, ...]:
    """Tests that mirror a module, such as ``_vllm/answers.py``."""
    return tuple(
        f"tests/unit/plugins/module_utils/{room}/test_{name}"
        for room, _slash, name in (n.partition("/") for n in names)
    )


def playbook(*names: str) -> tuple[str, ...]:
    """Tests that run playbooks, such as ``swap.py``."""
    return tuple(f"tests/integration/test_{name}" for name in names)
