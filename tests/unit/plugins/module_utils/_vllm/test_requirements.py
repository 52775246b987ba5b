# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base models and the release that a declaration requires."""

from __future__ import annotations

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.models import BaseModel, Observed
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.requirements import read_requirements

SEEN = Observed("http://node", (BaseModel("tiny", "/models/tiny", 256, ("alias",)), BaseModel("bare", None, 256)), ())


def differences(requires: object, version: str | None = None) -> tuple[str, ...]:
    return read_requirements({"requires": requires}).differences(SEEN, version)


@pytest.mark.parametrize(
    "requires",
    [
        None,
        {},
        {"base_models": []},
        {"base_models": [{"id": "tiny"}]},
        {"base_models": [{"id": "alias", "root": "/models/tiny/"}]},
        {"base_models": [{"root": "/models//tiny"}, {"id": "bare"}]},
        '{"base_models": [{"id": "tiny", "root": null}], "version": null}',
    ],
)
def test_met(requires: object) -> None:
    assert differences(requires) == ()


def test_each_difference_is_told_with_what_was_found() -> None:
    models = [{"id": "tiny", "root": "/models/other"}, {"id": "huge"}, {"root": "/x"}]
    assert differences({"base_models": models, "version": ">=0.31"}, "0.30.1") == (
        "The declaration requires base model 'tiny' from '/models/other', and the server has it from '/models/tiny'.",
        "The declaration requires base model 'huge', and the server serves 'tiny' from '/models/tiny', 'bare'.",
        "The declaration requires a base model from '/x', and the server serves 'tiny' from '/models/tiny', 'bare'.",
        "The declaration requires vLLM >=0.31, and the server is vLLM '0.30.1'.",
    )


@pytest.mark.parametrize(("version", "found"), [(None, "is not known"), ("0.1.dev1+gab", "which is no release")])
def test_a_release_that_is_not_known_is_not_met(version: str | None, found: str) -> None:
    (sentence,) = differences({"version": "!=0.5"}, version)
    assert found in sentence


@pytest.mark.parametrize(
    ("requires", "problem"),
    [
        ([], "requires is a list"),
        ({"bases": []}, "requires has the unknown option 'bases'"),
        ({"base_models": ["tiny"]}, "a list with 'tiny'"),
        ({"base_models": [{"name": "tiny"}]}, "item 1 of option base_models of requires has the unknown option 'name'"),
        ({"base_models": [{}]}, "item 1 of base_models of requires is empty"),
        ({"base_models": [{"id": "tiny", "root": ""}]}, "item 1 of base_models of requires is empty"),
        ({"version": 0.31}, "'0.31'"),
        ({"version": ""}, "''"),
        ({"version": "0.31"}, "'0.31'"),
        ({"version": ">=0.31,"}, "'>=0.31,'"),
        ({"version": "=>0.31"}, "'=>0.31'"),
        ({"version": "==0.31.*"}, "'==0.31.*'"),
        ({"version": ">=31"}, "'>=31'"),
    ],
)
def test_mistakes(requires: object, problem: str) -> None:
    with pytest.raises(VllmError) as refused:
        read_requirements({"requires": requires})
    assert refused.value.code == "invalid_request"
    assert problem in refused.value.message
