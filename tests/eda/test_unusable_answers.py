# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An answer that is no vLLM model list is a failure with a reason, and no answer is unreachable. Nothing is concluded from them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.stand_in import Fault, StandIn

from .source import helper_of_source
from .watching import PATIENCE, Watching, declare, endpoints, observed

UNUSABLE = {
    "captive portal": (Fault("GET", "/v1", "html"), "not_vllm"),
    "list without a base model": (Fault("GET", "/v1", "empty_list"), "not_vllm"),
    "redirect": (Fault("GET", "/v1", "redirect"), "not_vllm"),
    "cut JSON": (Fault("GET", "/v1", "cut_json"), "not_vllm"),
    "body without an end": (Fault("GET", "/v1", "endless"), "not_vllm"),
    "decompression bomb": (Fault("GET", "/v1", "gzip_bomb"), "not_vllm"),
    "deeply nested": (Fault("GET", "/v1", "answer", status=200, text=b"[" * 1_000_000), "not_vllm"),
    "no text": (Fault("GET", "/v1", "answer", status=200, text=bytes(range(256))), "not_vllm"),
    "404": (Fault("GET", "/v1", "answer", status=404, json={"detail": "Not Found"}), "not_vllm"),
    "wrong key": (Fault("GET", "/v1", "answer", status=401, json={"error": "Unauthorized"}), "unauthorized"),
    "forbidden": (Fault("GET", "/v1", "answer", status=403), "forbidden"),
    "throttled": (Fault("GET", "/v1", "answer", status=429), "throttled"),
    "broken engine": (Fault("GET", "/v1", "answer", status=500), "server_error"),
    "gateway without a server": (Fault("GET", "/v1", "answer", status=502), "unreachable"),
    "silence": (Fault("GET", "/v1", "silence"), "timeout"),
    "slow headers": (Fault("GET", "/v1", "trickle_headers"), "timeout"),
    "slow body": (Fault("GET", "/v1", "trickle_body"), "timeout"),
    "reset": (Fault("GET", "/v1", "reset"), "unreachable"),
    "reset in the body": (Fault("GET", "/v1", "reset_body"), "unreachable"),
    "end in the body": (Fault("GET", "/v1", "short_body"), "unreachable"),
}


def verdict(code: str) -> str:
    """As vllm_lora_adapters has it."""
    return "unreachable" if code in ("unreachable", "timeout") else "failed"


def test_unusable_answers(servers, file, artifacts):
    usual = servers(UNUSABLE)
    for server in usual.values():
        server.load("sql", artifacts["first"])
    # Only what never comes is waited for in vain: all the rest has time, beside answers without an end.
    patience = {case: 1 if code == "timeout" else PATIENCE for case, (_fault, code) in UNUSABLE.items()}
    declared = {"name": "sql", "path": str(artifacts["first"])}
    # Nothing of what is served could be found in the answers, and pruning is on: the most that a wrong conclusion can do.
    where = (endpoint | {"timeout": patience[endpoint["name"]]} for endpoint in endpoints(usual))
    declare(file, *where, adapters=[declared], prune=True)
    with Watching(file) as watching:
        for case, (fault, _code) in UNUSABLE.items():
            observed(usual[case], 1)
            usual[case].faults.add(fault)
        events = {event["endpoint"]: event for event in watching.next(len(usual))}
        assert {case: (event["state"], event.get("error", {}).get("code")) for case, event in events.items()} == {
            case: (verdict(code), code) for case, (_fault, code) in UNUSABLE.items()
        }
        for case, event in events.items():
            assert event["msg"].startswith(f"Endpoint '{case}': Could not read what is served at {usual[case].url}/")
            assert "\n" not in event["msg"]
        for server in usual.values():
            server.faults.clear()
        states = {event["endpoint"]: event["state"] for event in watching.next(len(usual))}
        assert states == {
            case: "reachable" if verdict(code) == "unreachable" else "recovered"
            for case, (_fault, code) in UNUSABLE.items()
        }
        for server in usual.values():
            observed(server, 1)
        assert watching.events == []
    assert [case for case, server in usual.items() if server.writes] == []


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
_CARDS = st.dictionaries(
    st.sampled_from(["id", "object", "root", "parent", "max_model_len", "permission"]),
    _SCALARS | st.sampled_from(["tiny", "sql", "model", "/srv/sql"]) | st.lists(_SCALARS, max_size=2),
)
_ANSWERS = st.binary() | st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
_ANSWERS |= st.fixed_dictionaries({"object": st.just("list"), "data": st.lists(_CARDS | _SCALARS, max_size=5)})


@settings(deadline=None)
@given(status=st.integers(100, 599), answer=_ANSWERS)
def test_no_answer_at_all_can_stop_the_watch(status, answer):
    """A fault in judging one endpoint would end the source, and with it the watch over all others."""
    events, declared = helper_of_source("_events"), helper_of_source("_declaration_file")
    adapters = ({"name": "sql", "path": "/srv/sql", "base_model": "tiny"},)
    endpoint, options = declared.Endpoint("http://edge1:8000", "sk-key"), {"adapters": adapters, "prune": True}
    target = declared.DeclaredEndpoint(
        "edge1",
        endpoint,
        declared.declare_all(adapters),
        options,
        declared.Pruning(prune=True),
        declared.Requirements(),
        declared.Revoked(),
        {},
    )
    body = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else json.dumps(answer)

    seen = events.judge(target, events.Answer("http://edge1:8000/v1/models", status, body))
    json.dumps(events.drift_event(seen.state, target, seen, 0))


@pytest.mark.parametrize("profile", ["rust", "rust-0.33"])
def test_list_that_outlives_its_engine(file, artifacts, profile):
    """The Rust front-end still lists everything, but an endpoint without an engine is not in sync."""
    with StandIn(profile, death_delay=600) as server:
        server.load("sql", artifacts["first"])
        declare(file, {"base_url": server.url, "adapters": [{"name": "sql", "path": str(artifacts["first"])}]})
        with Watching(file) as watching:
            observed(server)
            assert watching.events == []
            server.apps[0].engine.dead = True
            (event,) = watching.next()
            assert (event["state"], event["error"]["code"]) == ("failed", "server_error")
            assert "/health says that its engine is dead" in event["msg"]
            server.restart()
            server.load("sql", artifacts["first"])
            assert watching.next()[0]["state"] == "recovered"


def test_another_server_is_named(file, server):
    card = {"id": "m", "object": "model", "owned_by": "sglang", "root": "m", "parent": None, "max_model_len": 256}
    server.faults.add(Fault("GET", "/v1", "answer", json={"object": "list", "data": [card]}))
    declare(file, {"base_url": server.url, "adapters": []})
    with Watching(file) as watching:
        (event,) = watching.next()
    assert (event["state"], event["error"]["code"]) == ("failed", "not_vllm")
    assert "owner (owned_by) is 'sglang'" in event["msg"]


def test_name_that_does_not_resolve(file):
    declare(file, {"base_url": "http://no-such-host.invalid:8000", "adapters": []})
    with Watching(file) as watching:
        (event,) = watching.next()
    assert (event["state"], event["error"]["code"]) == ("unreachable", "dns")


def test_redirect_is_not_followed(server, file):
    server.faults.add(Fault("GET", "/v1", "redirect", location=f"{server.url}/elsewhere"))
    declare(file, {"base_url": server.url, "adapters": []})
    with Watching(file) as watching:
        watching.next()
    assert {request.path for request in server.log} == {"/v1/models"}
