# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that stands for something else, and declarations as they are written."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.parsing.convert_bool import BOOLEANS_FALSE, BOOLEANS_TRUE
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import read_adapters
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.pruning import Pruning, read_pruning
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import typed
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError

BOOL, INT, FLOAT, STR = ({"type": kind} for kind in ("bool", "int", "float", "str"))
NAMES = {"type": "list", "elements": "str"}
VERDICTS = {"type": "list", "elements": "str", "choices": ["drifted", "failed"]}
CHOICE = {"type": "str", "choices": ["replace", "in_place"]}


@pytest.mark.parametrize(
    ("given", "spec", "meant"),
    [
        (" No ", BOOL, False),
        (0, BOOL, False),
        ("0", INT, 0),
        (" 5 ", INT, 5),
        ("2.0", INT, 2),
        ("9007199254740993", INT, 9007199254740993),
        ("0.5", FLOAT, 0.5),
        (3, FLOAT, 3),
        (2024, STR, "2024"),
        (" text ", STR, " text "),
        ("", STR, ""),
        ("replace", CHOICE, "replace"),
        ("a, b,,c", NAMES, ["a", "b", "c"]),
        ("tenant-[0-9]*", NAMES, ["tenant-[0-9]*"]),
        ("[ab]*, c", NAMES, ["[ab]*", "c"]),
        ('["a", 1]', NAMES, ["a", "1"]),
        ("['a', 'b']", NAMES, ["a", "b"]),
        ((1, 2), NAMES, ["1", "2"]),
        (7, NAMES, ["7"]),
        ("drifted", VERDICTS, ["drifted"]),
        ('{"a": 1}', {"type": "dict"}, {"a": 1}),
        *((empty, spec, None) for empty in (None, "", " ") for spec in (BOOL, INT, FLOAT, NAMES, CHOICE)),
        (None, STR, None),
    ],
)
def test_meant(given: object, spec: dict, meant: object) -> None:
    assert typed(given, spec) == meant
    assert type(typed(given, spec)) is type(meant) or spec is FLOAT


def test_words_for_booleans_are_those_of_ansible() -> None:
    for words, meant in ((BOOLEANS_TRUE, True), (BOOLEANS_FALSE, False)):
        assert {typed(word, BOOL) for word in words} == {meant}


@pytest.mark.parametrize(
    ("given", "spec", "sentence"),
    [
        ("perhaps", BOOL, "'perhaps'; give true or false"),
        (2, BOOL, "2; give true or false"),
        ([], BOOL, "a list; give true or false"),
        ("few", INT, "'few'; give a whole number"),
        ("2.5", INT, "'2.5'; give a whole number"),
        (True, INT, "true; give a whole number"),
        ("inf", INT, "'inf'; give a whole number"),
        ("nan", FLOAT, "'nan'; give a number"),
        ("1\n2", FLOAT, "'1\\n2'; give a number"),
        ({"a": 1}, STR, "a mapping; give text"),
        ("loud", CHOICE, "'loud'; give one of replace, in_place"),
        ({"a": 1}, NAMES, "a mapping; give a list of text"),
        ([["a"]], NAMES, "a list with a list; give a list of text"),
        ([None], NAMES, "a list with null; give a list of text"),
        (True, NAMES, "true; give a list of text"),
        ("drifted, lost", VERDICTS, "a list with 'lost'; give a list of drifted, failed"),
        ("x" * 500, INT, "'" + "x" * 80 + "...'; give a whole number"),
    ],
)
def test_not_meant(given: object, spec: dict, sentence: str) -> None:
    with pytest.raises(ValueError) as refused:
        typed(given, spec)
    assert "; ".join(refused.value.args) == sentence


SQL = {"name": "sql", "path": "/a/sql"}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ([], []),
        ("[]", []),
        ([SQL], [SQL]),
        (json.dumps([SQL]), [SQL]),
        (str([SQL]), [SQL]),
        ([{"name": 2024, "path": "/a", "is_3d_lora_weight": "no"}], [{"name": "2024", "path": "/a", "is_3d_lora_weight": False}]),
        ([{"lora_name": "a", "lora_path": "/a", "base_model_name": "tiny"}], [{"name": "a", "path": "/a", "base_model": "tiny"}]),
        ([{**SQL, "base_model": None, "state": ""}], [SQL]),
        ([{"name": "a", "src": "a.zip", "remote_src": "yes"}], [{"name": "a", "src": "a.zip", "remote_src": True}]),
        ([{"name": "a", "state": "absent"}], [{"name": "a", "state": "absent"}]),
    ],
)  # fmt: skip
def test_declaration(written: object, read: list) -> None:
    assert read_adapters("declared", written) == read
    assert read_adapters("declared", read) == read


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (None, "declared is null; give a list of adapters, an empty one to declare none."),
        ("sql=/srv/sql", "declared is no list; give"),
        ({"sql": "/srv/sql"}, "declared is a mapping; give"),
        (str(SQL), "declared is a mapping; give"),
        (8000, "declared is no list; give"),
        (["sql"], "adapter 1 of declared is 'sql'; give a mapping with name, path, base_model,"),
        ([SQL, {**SQL, "base_modell": "tiny"}], "adapter 2 of declared has the unknown option 'base_modell'; use name, path,"),
        ([{"path": "/a"}], "adapter 1 of declared has no name; give"),
        ([{"name": None, "path": "/a"}], "adapter 1 of declared has no name; give"),
        ([{**SQL, "lora_name": "b"}], "adapter 1 of declared has the option name twice, once by an alias; remove one."),
        ([{**SQL, "is_3d_lora_weight": "perhaps"}], "option is_3d_lora_weight of adapter 1 of declared is 'perhaps'; give true or false."),
        ([{**SQL, "state": "gone"}], "option state of adapter 1 of declared is 'gone'; give one of present, absent, reloaded."),
        ([{"name": "a"}], "declared cannot be used: Option path is missing for adapter 'a'; give"),
        ([{"name": "a", "path": "org/a"}], "declared cannot be used: Option path is 'org/a', which is relative"),
        ([SQL, {"name": "sql", "state": "absent"}], "declared cannot be used: Option adapters lists 'sql' more than once;"),
        ([{"name": 7, "src": "a"}, {"name": "7", "src": "b"}], "declared cannot be used: Option adapters lists '7' more than once;"),
    ],
)  # fmt: skip
def test_declaration_that_is_refused(written: object, sentence: str) -> None:
    with pytest.raises(VllmError) as refused:
        read_adapters("declared", written)
    assert refused.value.message.startswith(sentence)
    assert refused.value.code == "invalid_request"
    assert refused.value.hint and refused.value.hint in refused.value.message


def test_pruning_as_text() -> None:
    given = {"prune": "no", "prune_exclude": "a*, b", "prune_limit": "0", "adapters": []}
    assert read_pruning(given) == Pruning(False, ["a*", "b"], 0)
    assert read_pruning({}) == Pruning()
    with pytest.raises(VllmError, match=r"^prune_limit is 'few'; give a whole number\.$"):
        read_pruning({"prune_limit": "few"})
