# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter gateway_models: names, addresses, keys and weights, and input that it refuses."""

from __future__ import annotations

import sys

import pytest

if sys.version_info < (3, 10):
    pytest.skip("Only the controller runs filters, with Python 3.10 or later.", allow_module_level=True)

from ansible.errors import AnsibleFilterError
from ansible_collections.sovereign.vllm.plugins.filter.gateway_models import gateway_models

HOSTS = {
    "one": {"vllm_base_url": "https://one:8443/v1/", "vllm_api_key_env": "KEY_OF_ONE"},
    "two": {"vllm_base_url": "https://two:8443"},
    "three": {"vllm_base_url": "https://two:8443/v1"},
    "keyed": {"vllm_base_url": "https://keyed:8443", "vllm_api_key": "sk-secret"},
    "nowhere": {},
}


def entry(name: str, host: str, served: str, key: str | None, **more: float) -> dict:
    params = {"model": f"hosted_vllm/{served}", "api_base": f"https://{host}:8443/v1"}
    params.update({"api_key": f"os.environ/{key}"} if key else {})
    return {"model_name": name, "litellm_params": {**params, **more}, "model_info": {"id": f"{host}/{name}/{served}"}}


def test_each_host_serves_the_declared_names() -> None:
    served = {"two": {"sql": "sql-2"}, "one": {"sql": "sql-1", "chat": "chat"}}
    assert gateway_models(served, HOSTS) == [
        entry("chat", "one", "chat", "KEY_OF_ONE"),
        entry("sql", "one", "sql-1", "KEY_OF_ONE"),
        entry("sql", "two", "sql-2", None),
    ]
    named = gateway_models({"keyed": {"sql": "sql"}}, HOSTS, {"keyed": "https://keyed:8443"}, "USER_KEY")
    assert named == [entry("sql", "keyed", "sql", "USER_KEY")]
    assert gateway_models({}, HOSTS) == []


def test_weights_are_those_of_all_or_none() -> None:
    served = {"one": {"sql": {"new": 1, "old": "9"}}, "two": {"sql": "old", "more": "more"}}
    assert gateway_models(served, HOSTS, weights={"two": 0.5}, base_models={"two": ["base"]}) == [
        entry("base", "two", "base", None, weight=0.5),
        entry("more", "two", "more", None, weight=0.5),
        entry("sql", "one", "new", "KEY_OF_ONE", weight=1),
        entry("sql", "one", "old", "KEY_OF_ONE", weight=9),
        entry("sql", "two", "old", None, weight=0.5),
    ]
    unweighted = gateway_models({"one": {"a": "a"}, "two": {"b": {"b": 3}}}, HOSTS)
    assert [one["litellm_params"]["weight"] for one in unweighted] == [1, 3]


@pytest.mark.parametrize(
    ("served", "options", "words"),
    [
        (["sql"], {}, "the input is not a mapping of names"),
        ({"one": ["sql"]}, {}, "the names of one is not a mapping"),
        ({"one": {"sql": ""}}, {}, "no served name for 'sql'"),
        ({"one": {"sql": {}}}, {}, "no served name for 'sql'"),
        ({"one": {"sql": {"new": 0}}}, {}, "weight of new is not a number above 0"),
        ({"one": {"*": "x"}}, {}, "LiteLLM reads as a pattern"),
        ({"one": {"os.environ/HOME": "x"}}, {}, "LiteLLM reads as a pattern"),
        ({"gone": {"sql": "x"}}, {}, "gone is not in the inventory"),
        ({"nowhere": {"sql": "x"}}, {}, "nowhere has no vllm_base_url"),
        ({"nowhere": {"sql": "x"}}, {"base_urls": {"nowhere": "ftp://x"}}, "not http or https"),
        ({"two": {"sql": "x"}, "three": {"sql": "x"}}, {}, "three and two have the same address, https://two:8443"),
        ({"keyed": {"sql": "x"}}, {}, "keyed has a key in vllm_api_key"),
        ({"one": {"sql": "x"}}, {"api_key_env": "sk-secret"}, "no name of a variable"),
        ({"one": {"sql": "x"}}, {"weights": {"on": 2}}, "on has a weight, an address or a key, and no names"),
        ({"one": {"sql": "x"}}, {"weights": {"one": -1}}, "weight of one is not a number above 0"),
        ({"one": {"sql": "x"}}, {"base_models": {"one": ["sql"]}}, "both as adapter and as base model"),
        ({"one": {"sql": "x"}}, {"base_models": {"one": "base"}}, "not a list of names"),
    ],
)
def test_bad_input_is_refused(served: object, options: dict, words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=r"sovereign\.vllm\.gateway_models: ") as refusal:
        gateway_models(served, HOSTS, **options)
    assert words in str(refusal.value) and "sk-secret" not in str(refusal.value)
