# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for any names, paths and lists, not only for those that somebody thought of."""

from __future__ import annotations

import json

import yaml
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.models import normalised
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.results import as_yaml
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, printable
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.answers import Answer
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.model_list import read_model_list
from hypothesis import example, given
from hypothesis import strategies as some

NASTY = some.sampled_from(
    ["yes", "null", "~", "1e3", "0x1f", "- a", "a: b", "#", "'", '"', "\\", "{{ x }}", "\x85", "\ufeff", " "]
)
TEXT = some.text(min_size=1) | NASTY


@given(some.lists(some.fixed_dictionaries({"name": TEXT, "path": TEXT, "parent": some.none() | TEXT})))
@example([{"name": "a\u2028b", "path": "/a\n- name: forged", "parent": "\ud800"}])
def test_diff_is_yaml_that_says_what_it_was_given(cards: list) -> None:
    text = as_yaml("adapters", cards)
    assert yaml.safe_load(text) == {"adapters": cards}
    # Whatever a server says stays on its line, and on the terminal it steers nothing.
    assert len(text.splitlines()) == (1 + 3 * len(cards) if cards else 1)
    assert all(line.isprintable() for line in text.splitlines())


@given(some.text(alphabet="/.ab"))
def test_normalising_twice_changes_nothing(path: str) -> None:
    assert normalised(normalised("/" + path)) == normalised("/" + path)
    assert normalised("/" + path).startswith("/") and "//" not in normalised("/" + path)


@given(some.text())
def test_printable_text_is_printable_and_one_line(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(text) == text or not text.isprintable()


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: (
        some.lists(inner) | some.dictionaries(some.sampled_from(["id", "root", "parent", "max_model_len"]), inner)
    ),
)


@given(JSON)
def test_no_list_makes_the_reader_stumble(data: object) -> None:
    """It is read, with a base model in it, or refused as no list of vLLM's: nothing else may come of it."""
    try:
        observed = read_model_list(
            Answer("http://node", 200, json.dumps({"object": "list", "data": data})), "http://node"
        )
    except VllmError as error:
        assert error.code == "not_vllm"
    else:
        assert observed.base_models
