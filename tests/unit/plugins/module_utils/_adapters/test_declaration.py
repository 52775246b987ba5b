# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user writes, and what of it is refused before a request is sent."""

from __future__ import annotations

import re

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import declare, declare_all
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.models import REHEARSAL_SUFFIX, DeclaredAdapter
from ansible_collections.sovereign.vllm.plugins.module_utils._converge.converge import CONVERGE_OPTIONS
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.endpoint import CONNECTION_OPTIONS, Endpoint

SQL = {"name": "sql", "path": "/a/sql"}


def refusal(call, *args, **kwargs) -> VllmError:
    with pytest.raises(VllmError) as refused:
        call(*args, **kwargs)
    assert refused.value.code == "invalid_request"
    assert refused.value.message.isprintable()
    assert refused.value.message.endswith(".")
    return refused.value


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (SQL, DeclaredAdapter("sql", "/a/sql")),
        ({**SQL, "path": "/a/sql/"}, DeclaredAdapter("sql", "/a/sql/")),
        ({**SQL, "name": "größe 1/b c"}, DeclaredAdapter("größe 1/b c", "/a/sql")),
        ({**SQL, "path": "org/sql", "allow_hub": True}, DeclaredAdapter("sql", "org/sql")),
        ({"name": "sql", "state": "absent"}, DeclaredAdapter("sql", None, state="absent")),
        ({"name": "sql", "state": "absent", "path": "relative"}, DeclaredAdapter("sql", "relative", state="absent")),
        (
            {**SQL, "base_model": "tiny", "state": "reloaded", "is_3d_lora_weight": True},
            DeclaredAdapter("sql", "/a/sql", "tiny", "reloaded", True),
        ),
    ],
)
def test_declared(options: dict, expected: DeclaredAdapter) -> None:
    assert declare(options) == expected


@pytest.mark.parametrize(
    ("options", "option", "words"),
    [
        ({**SQL, "name": ""}, "name", "is empty"),
        ({**SQL, "name": " \t"}, "name", "is empty"),
        ({**SQL, "name": "a\nb"}, "name", "control or invisible"),
        ({**SQL, "name": "a\x00"}, "name", "control or invisible"),
        ({**SQL, "name": "a\u202eb"}, "name", "control or invisible"),  # writes the rest of the line from right to left
        ({**SQL, "name": "a\u200b"}, "name", "control or invisible"),
        ({**SQL, "name": "sql" + REHEARSAL_SUFFIX}, "name", "reserved"),
        ({"name": "sql"}, "path", "is missing"),
        ({"name": "sql", "state": "reloaded"}, "path", "is missing"),
        ({**SQL, "path": ""}, "path", "is empty"),
        ({**SQL, "path": "/a/\x7f"}, "path", "control or invisible"),
        ({**SQL, "path": "org/sql"}, "path", "relative"),
        ({**SQL, "path": "./sql"}, "path", "relative"),
        ({**SQL, "path": "./sql"}, "path", "the directory that the server was started in; give an absolute path on"),
        ({**SQL, "path": "org/sql"}, "path", "a model hub; give an absolute path on the node, or set allow_hub"),
        # No hub has such a name: the server looks below its own home, whatever allow_hub says.
        ({**SQL, "path": "~/sql"}, "path", "relative to the home directory"),
        ({**SQL, "path": "~vllm/sql", "allow_hub": True}, "path", "relative to the home directory"),
        ({**SQL, "path": "", "allow_hub": True}, "path", "is empty"),
        ({**SQL, "base_model": ""}, "base_model", "is empty"),
        ({**SQL, "base_model": "a\rb"}, "base_model", "control or invisible"),
    ],
)
def test_refused(options: dict, option: str, words: str) -> None:
    assert re.match(f"Option {option} .*{words}", refusal(declare, options).message)


def test_names_are_declared_once() -> None:
    assert [adapter.name for adapter in declare_all([SQL, {**SQL, "name": "b"}])] == ["sql", "b"]
    error = refusal(declare_all, [SQL, {**SQL, "name": "b"}, {"name": "sql", "state": "absent"}])
    assert "Option adapters lists 'sql' more than once" in error.message


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("http://node:8000", "http://node:8000"),
        ("http://node:8000/", "http://node:8000"),
        ("http://node:8000/v1", "http://node:8000"),
        ("http://node:8000/v1/", "http://node:8000"),
        ("https://node/llm/v1", "https://node/llm"),
        ("https://node/llm/", "https://node/llm"),
        ("http://[::1]:8000/v1", "http://[::1]:8000"),
        ("HTTP://node", "http://node"),
        ("http://node/v10", "http://node/v10"),
    ],
)
def test_base_url(written: str, meant: str) -> None:
    assert Endpoint(written).base_url == meant


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("", "is not http or https"),
        ("node:8000", "is not http or https"),
        ("//node", "is not http or https"),
        ("ftp://node", "is not http or https"),
        ("file:///etc/passwd", "is not http or https"),
        ("http://", "names no host"),
        ("http:///v1", "names no host"),
        ("http://[::1", "is not a URL"),
        ("http://node:port", "is not a URL"),
        ("http://node:99999", "is not a URL"),
        ("http://no de", "is not a URL"),
        ("http://node\n", "is not a URL"),
        ("http://node/\x00", "is not a URL"),
        ("http://node/?key=1", "has a query or a fragment"),
        ("http://node/#top", "has a query or a fragment"),
        ("http://me:hunter2@node", "has a user or password"),
        ("http://me@node", "has a user or password"),
        ("http://me:hunter2@node:port", "is not a URL"),
        ("me:hunter2@node:8000", "has a user or password"),
        ("https:/me:hunter2@node/", "has a user or password"),
        ("http://node/?key=hunter2", "has a query or a fragment"),
    ],
)
def test_base_url_that_is_refused(written: str, words: str) -> None:
    error = refusal(Endpoint, written)
    assert re.match(f"Option base_url .*{words}", error.message)
    assert "hunter2" not in error.message


@pytest.mark.parametrize(
    ("options", "option", "words"),
    [
        ({"api_key": "hunter2\n"}, "api_key", "characters that no HTTP header can carry"),
        ({"api_key": "hunter2 x"}, "api_key", "characters that no HTTP header can carry"),
        ({"api_key": "hunter2é"}, "api_key", "characters that no HTTP header can carry"),
        ({"client_key": "/k.pem"}, "client_key", "given without client_cert"),
        ({"timeout": 0}, "timeout", "must be more than 0"),
        ({"timeout": float("nan")}, "timeout", "must be more than 0"),
        ({"timeout": float("inf")}, "timeout", "must be more than 0"),
        ({"timeout": 1e10}, "timeout", "more than 0 and at most a day"),
        ({"load_timeout": -1}, "load_timeout", "must be more than 0"),
        ({"retries": -1}, "retries", "must not be negative"),
        ({"retry_delay": -0.1}, "retry_delay", "must not be negative"),
        ({"retry_delay": float("inf")}, "retry_delay", "must not be negative"),
    ],
)
def test_connection_options_that_are_refused(options: dict, option: str, words: str) -> None:
    error = refusal(Endpoint, "http://node", **options)
    assert re.match(f"Option {option} .*{words}", error.message)
    assert "hunter2" not in error.message


def test_defaults_are_those_of_the_options() -> None:
    spec = {**CONNECTION_OPTIONS, **CONVERGE_OPTIONS}
    defaults = {name: getattr(Endpoint("http://node"), name) for name in spec if hasattr(Endpoint, name)}
    assert defaults == {name: spec[name].get("default") for name in defaults}
    assert defaults == {
        "api_key": None,
        "validate_certs": True,
        "ca_path": None,
        "client_cert": None,
        "client_key": None,
        "timeout": 30.0,
        "load_timeout": 300.0,
        "retries": 2,
        "retry_delay": 1.0,
        "use_proxy": True,
    }


def test_connection_options_at_their_limits() -> None:
    assert Endpoint("http://node", timeout=0.1, load_timeout=0.1, retries=0, retry_delay=0).retries == 0
    assert Endpoint("http://node", client_cert="/c.pem", client_key="/k.pem").client_key == "/k.pem"


def test_key_is_not_shown() -> None:
    assert "hunter2" not in repr(Endpoint("http://node", api_key="hunter2"))


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("http://node", True),
        ("http://192.0.2.1:8000", True),
        ("http://localhost.example.org", True),
        ("http://localhost:8000", False),
        ("http://127.8.9.1", False),
        ("http://[::1]:8000", False),
        ("https://node", False),
    ],
)
def test_plain_beyond_loopback(url: str, plain: bool) -> None:
    assert Endpoint(url).is_unencrypted_remote is plain


def test_connecting_takes_ten_seconds_at_most() -> None:
    assert Endpoint("http://node", timeout=60).connect_timeout == 10
    assert Endpoint("http://node", timeout=2.5).connect_timeout == 2.5
