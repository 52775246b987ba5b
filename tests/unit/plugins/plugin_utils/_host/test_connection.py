# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The corners of the connection of a host. Its order, keys and machines are in tests/integration, by playbooks."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.vllm_lora_adapters import LoraAdapters
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.vllm_server_info import ServerInfo
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.connection import (
    CREDENTIALS,
    HOST_OPTIONS,
    ServerHost,
    completed,
    connection_of,
    key_of,
)

ALL = {
    "vllm_base_url": "http://a",
    "vllm_api_key": "sk-a",
    "vllm_client_cert": "/own.pem",
    "vllm_client_key": "/own.key",
    "vllm_validate_certs": "false",
    "vllm_timeout": "0.5",
    "vllm_load_timeout": 60,
}


def rendered(value: object) -> object:
    return value


def complete(given: dict[str, Any], variables: dict[str, Any], environment: dict[str, str] | None = None) -> dict:
    return completed(given, environment or {}, ServerHost("a", variables, rendered), LoraAdapters.options)


def test_every_option_but_one_has_a_variable() -> None:
    connection = {*LoraAdapters.options} & {*ServerInfo.options} | {"load_timeout"}
    assert connection - {"server_of"} == HOST_OPTIONS > CREDENTIALS


def test_values_have_the_types_of_the_options() -> None:
    found = connection_of({**ALL, "vllm_use_proxy": "no", "vllm_retries": "3", "vllm_version": "0.32"}, rendered)
    assert found == {
        "base_url": "http://a",
        "api_key": "sk-a",
        "client_cert": "/own.pem",
        "client_key": "/own.key",
        "validate_certs": False,
        "timeout": 0.5,
        "load_timeout": 60.0,
        "use_proxy": False,
        "retries": 3,
    }


def test_only_the_options_of_the_module_are_added() -> None:
    found = completed({}, {}, ServerHost("a", ALL, rendered), ServerInfo.options)
    assert "load_timeout" not in found and found["timeout"] == 0.5


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, CREDENTIALS - {"api_key_env"}),
        ({"base_url": "HTTP://A:80/v1/"}, CREDENTIALS - {"api_key_env"}),
        ({"base_url": "https://a"}, set()),
        ({"base_url": "http://a:8000"}, set()),
        ({"base_url": "http://a/other"}, set()),
        # One certificate with the key of another would be neither's.
        ({"client_cert": "/of/the/task.pem"}, {"api_key", "client_cert"}),
        ({"api_key": "sk-task", "client_key": "/of/the/task.key"}, {"api_key", "client_key"}),
    ],
)
def test_credentials_stay_together_and_with_their_server(given: dict[str, Any], kept: set[str]) -> None:
    found = complete(given, ALL)
    assert CREDENTIALS & found.keys() == kept
    assert {name: found[name] for name in given} == given
    assert found["validate_certs"] is False
    assert complete({"timeout": 9}, ALL, {"VLLM_BASE_URL": "http://b"}).keys() & CREDENTIALS == set()


def test_a_host_without_an_address_has_no_server_to_send_its_key_to() -> None:
    variables = {"vllm_api_key": "sk-a"}
    assert "api_key" not in complete({"base_url": "http://a"}, variables)
    # Its address may be in the environment.
    assert complete({}, variables)["api_key"] == "sk-a"


def test_an_address_that_cannot_be_used_is_that_of_no_host() -> None:
    assert "api_key" not in complete({"base_url": "http://b"}, {**ALL, "vllm_base_url": "nonsense"})
    with pytest.raises(VllmError, match="base_url is 'nonsense'"):
        complete({"base_url": "nonsense"}, ALL)


def test_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN_KEY", "sk-own")
    assert key_of({}) is None
    assert key_of({"api_key": ""}) == key_of({"api_key": "", "api_key_env": ""}) == ""
    assert key_of({"api_key_env": "OWN_KEY"}) == "sk-own"
    assert key_of(connection_of({"vllm_api_key_env": "OWN_KEY"}, rendered)) == "sk-own"
    with pytest.raises(VllmError, match="'NOT_SET', which is not set"):
        key_of({"api_key_env": "NOT_SET"})
