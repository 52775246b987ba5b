# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a guard: those that are refused before anything is written, and the text that others become."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.vllm_guard import GuardOperation
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.guard import Guard, guard_of
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.guard_text import (
    configuration_text,
    generation_in,
    keys_text,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.routes import ACCESS, CLOSED_ROUTES, ROUTES

SECRET = "sk-secret"
GOOD: dict[str, Any] = {
    **{name: spec.get("default") for name, spec in GuardOperation.options.items()},
    "user_keys": ["user-key"],
    "certificate": "/etc/ssl/node.pem",
    "certificate_key": "/etc/ssl/node.key",
}


def guard(**options: Any) -> Guard:
    return guard_of({**GOOD, **options})


def route(path: str, access: str = "user", methods: tuple = ("POST",)) -> dict:
    return {"path": path, "access": access, "methods": list(methods)}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"user_keys": []}, "Option user_keys is empty"),
        ({"user_keys": [SECRET + " x"]}, "Option user_keys has a key with characters"),
        ({"user_keys": [SECRET + '";']}, "Option user_keys has a key with characters"),
        ({"user_keys": [SECRET + "\\E"]}, "Option user_keys has a key with characters"),
        ({"user_keys": [SECRET + "\n"]}, "Option user_keys has a key with characters"),
        ({"user_keys": [SECRET + "ä"]}, "Option user_keys has a key with characters"),
        ({"user_keys": [""]}, "Option user_keys has a key with characters"),
        ({"user_keys": [SECRET, SECRET]}, "Option user_keys has a key twice"),
        ({"admin_keys": ["user-key"]}, "Option admin_keys has a key that is in user_keys as well"),
        ({"upstream_key": SECRET + "$x"}, "Option upstream_key has a key with characters"),
        ({"listen": []}, "Option listen is empty"),
        ({"listen": ["8443"]}, "Option listen has '8443'"),
        ({"listen": ["node:8443"]}, "Option listen has 'node:8443'"),
        ({"listen": ["0.0.0.0:0"]}, "Option listen has '0.0.0.0:0'"),
        ({"listen": ["0.0.0.0:65536"]}, "Option listen has '0.0.0.0:65536'"),
        ({"listen": ["0.0.0.0:8443 ssl"]}, "Option listen has '0.0.0.0:8443 ssl'"),
        ({"listen": ["::1:8443"]}, "Option listen has '::1:8443'"),
        ({"upstream": "https://127.0.0.1:8000"}, "Option upstream is not the http address"),
        ({"upstream": "127.0.0.1:8000"}, "Option upstream is not"),
        ({"upstream": "http://127.0.0.1:8000/path"}, "Option upstream is not the http address"),
        ({"upstream": "http://127.0.0.1:8000?x"}, "Option upstream is not the http address"),
        ({"upstream": f"http://user:{SECRET}@127.0.0.1:8000"}, "Option upstream has a user or password"),
        ({"upstream": "http://a;b:8000"}, "Option upstream is not the http address"),
        ({"upstream": "http://127.0.0.1:x"}, "Option upstream is not a URL"),
        ({"admin_networks": ["10.1.2.3/8"]}, "Option admin_networks has '10.1.2.3/8'"),
        ({"admin_networks": ["office"]}, "Option admin_networks has 'office'"),
        ({"admin_networks": ["0.0.0.0/0"]}, "which is every address"),
        ({"admin_networks": ["::/0"]}, "which is every address"),
        ({"certificate": "node.pem"}, "Option certificate is 'node.pem'"),
        ({"certificate": "/etc/a;b"}, "Option certificate is '/etc/a;b'"),
        ({"certificate_key": None}, "belong together"),
        ({"certificate": None, "certificate_key": None}, "keys would cross the network unencrypted at 0.0.0.0:8443"),
        ({"max_body_size": "0"}, "Option max_body_size is '0'"),
        ({"max_body_size": "many"}, "Option max_body_size is 'many'"),
        ({"max_body_size": "1m; x"}, "Option max_body_size is '1m; x'"),
        ({"read_timeout": 0}, "Option read_timeout must be more than 0"),
        ({"routes": [route("v1/new")]}, "Option routes has the path 'v1/new'"),
        ({"routes": [route("/v1/../new")]}, "Option routes has the path"),
        ({"routes": [route("/v1/new/")]}, "Option routes has the path"),
        ({"routes": [route("/v1/{id}")]}, "Option routes has the path"),
        ({"routes": [route("/v1/load_lora_adapter", "open")]}, "which the guard knows already"),
        ({"routes": [route("/new"), route("/new")]}, "which the guard knows already"),
        ({"routes": [route("/new", methods=())]}, "has no methods to pass for '/new'"),
        ({"routes": [route("/new", methods=("post",))]}, "has no methods to pass for '/new'"),
    ],
)
def test_refused(options: dict, words: str) -> None:
    with pytest.raises(VllmError) as refusal:
        guard(**options)
    assert words in refusal.value.message and SECRET not in refusal.value.message
    assert refusal.value.code == "invalid_request" and refusal.value.hint


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "Two words"}, "Option name is 'Two words'"),
        ({"directory": "conf.d"}, "Option directory is 'conf.d'"),
        ({"directory": "/etc/a b"}, "Option directory is '/etc/a b'"),
        ({"test_command": []}, "Option test_command names no program"),
        ({"reload_command": [" "]}, "Option reload_command names no program"),
        ({"wait": 601}, "Option wait must be from 0 to 600"),
    ],
)
@pytest.mark.parametrize("state", ["present", "absent"])
def test_refused_in_both_states(options: dict, words: str, state: str) -> None:
    with pytest.raises(VllmError) as refusal:
        GuardOperation().run({**GOOD, "state": state, **options}, check_mode=False)
    assert words in refusal.value.message


def test_addresses_are_written_as_nginx_takes_them() -> None:
    found = guard(
        listen=["[0:0::1]:8443", "10.0.0.1:443"], upstream="http://[::1]:8000/v1/", admin_networks=["fd00::/8"]
    )
    assert found.listen == ("[::1]:8443", "10.0.0.1:443")
    assert found.upstream == "[::1]:8000" and found.probe_address == ("::1", 8443)
    assert guard(listen=["[::]:1"]).probe_address == ("::1", 1) and guard().probe_address == ("127.0.0.1", 8443)
    assert guard(upstream="http://vllm").upstream == "vllm:80"
    local = guard(listen=["127.0.0.1:80"], certificate=None, certificate_key=None)
    assert "ssl" not in configuration_text(local, "/x")[0]


def test_the_configuration_holds_no_key_and_has_a_name() -> None:
    keyed = guard(upstream_key=SECRET, admin_keys=["admin-key"], routes=[route("/v1/new", "admin")])
    text, digest = configuration_text(keyed, "/etc/nginx/x.keys")
    assert not [key for key in (SECRET, "admin-key", "user-key") if key in text]
    assert "include /etc/nginx/x.keys;" in text and f"X-Vllm-Guard {digest}-$vllm_guard_generation always;" in text
    assert "location = /v1/new {" in text
    assert digest != configuration_text(guard(), "/etc/nginx/x.keys")[1]
    assert all(key in keys_text(keyed, "0a1b") for key in (SECRET, "admin-key", "user-key"))
    assert generation_in(keys_text(keyed, "0a1b")) == "0a1b" and generation_in("") is None
    assert SECRET not in keys_text(guard(), "0a1b") and "user $http_authorization;" in keys_text(guard(), "0a1b")


def test_each_route_has_one_access() -> None:
    paths = [one.path for one in ROUTES]
    assert len(set(paths)) == len(paths) and not set(paths) & set(CLOSED_ROUTES)
    assert {one.access for one in ROUTES} == set(ACCESS)
