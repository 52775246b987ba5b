# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From anything but a vLLM model list nothing is concluded: the endpoint is unreachable, with a reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vllm_stand_in import Fault
from tests.vllm_stand_in.faults import MISTYPED_LISTS

from .source import helper_of_source
from .watching import Watching, declare, observed

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
    **{
        f"mistyped: {name}": (Fault("GET", "/v1", "answer", status=200, json=body), "not_vllm")
        for name, body in MISTYPED_LISTS.items()
    },
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_unusable_answer(server, file, artifacts, case):
    fault, code = UNUSABLE[case]
    server.load("sql", artifacts["first"])
    declared = {"name": "sql", "path": str(artifacts["first"])}
    # Nothing of what is served could be found in the answer, and pruning is on: the most that a wrong conclusion can do.
    declare(file, {"name": "edge1", "base_url": server.url, "adapters": [declared], "prune": True, "timeout": 1})
    with Watching(file) as watching:
        observed(server, 1)
        server.faults.add(fault)
        (event,) = watching.next()
        assert event["state"] == "unreachable", event
        assert event["error"]["code"] == code
        assert event["msg"].startswith("Endpoint 'edge1': Could not read what is served at http://127.0.0.1:")
        assert "\n" not in event["msg"]
        server.faults.clear()
        assert watching.next()[0]["state"] == "reachable"
        observed(server, 1)
        assert watching.events == []
    assert server.writes == []


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
    observation, events = helper_of_source("_observation"), helper_of_source("_events")
    declared = helper_of_source("_declaration_file")
    adapters = ({"name": "sql", "path": "/srv/sql", "base_model": "tiny"},)
    endpoint, options = declared.Endpoint("http://edge1:8000", "sk-key"), {"adapters": adapters, "prune": True}
    target = declared.DeclaredEndpoint("edge1", endpoint, declared.declare_all(adapters), options, {})
    body = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else json.dumps(answer)

    seen = observation.judge(target, observation.Answer("http://edge1:8000/v1/models", status, body))
    json.dumps(events.drift_event(seen.state, target, seen, 0))


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
