# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An error keeps its parts, and joins them into one sentence when asked."""

from __future__ import annotations

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import (
    CompleteError,
    VllmError,
    also_report,
    failure,
    invalid_option,
    request_error,
)


def gone() -> VllmError:
    return request_error("unreachable", "read what is served", "http://node", "the connection was refused", "start it")


def test_parts_are_joined_in_their_order() -> None:
    error = request_error("timeout", "load adapter 'sql'", "http://node", "no full answer", "wait", detail="x" * 3000)
    error.hint = "raise load_timeout"
    error.aftermath = "it is still served from '/a'"
    error.add("waited 3 seconds for it")
    assert (
        error.message
        == str(error)
        == (
            "Could not load adapter 'sql' at http://node: no full answer; raise load_timeout; waited 3 seconds for it; "
            "it is still served from '/a'."
        )
    )
    assert failure(error)["error"] == {
        "code": "timeout",
        "http_status": None,
        "detail": "x" * 2048,
        "hint": "raise load_timeout",
        "retryable": True,
    }
    assert invalid_option("path", "is empty", "give it").message == "Option path is empty; give it."


def test_hint_of_complete_sentences_is_for_machines() -> None:
    error = CompleteError("artifact_invalid", "It is empty: copy it again.", "bring another one")
    error.add("so it was not staged")
    assert (error.message, error.hint) == ("It is empty: copy it again; so it was not staged.", "bring another one")


def test_errors_before_are_reported_once_and_so_is_their_hint() -> None:
    refused = request_error("throttled", "load adapter 'a'", "http://node", "it answered 429", "wait", detail="busy")
    with pytest.raises(VllmError) as raised, also_report([refused, gone()]), also_report([refused]):
        raise gone()
    assert raised.value.message == (
        "Could not read what is served at http://node: the connection was refused; start it; "
        "before that: Could not load adapter 'a' at http://node: it answered 429; wait (throttled)."
    )
    assert raised.value.detail == "busy"
    with pytest.raises(VllmError) as raised, also_report([request_error("dns", "b", "u", "no name", "start it")]):
        raise gone()
    assert raised.value.message.endswith("; start it; before that: Could not b at u: no name (dns).")
