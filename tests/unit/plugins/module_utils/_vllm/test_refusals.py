# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences that say what to do: vLLM's own in full, and the title of a proxy's page."""

from __future__ import annotations

import json

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.answers import (
    Answer,
    completion_error,
    load_error,
    read_error,
    unload_error,
)


def answer(status: int, body: str, secret: str | None = None) -> Answer:
    return Answer("http://node/v1/load_lora_adapter", status, body, secret=secret)


def said(message: str) -> str:
    return json.dumps({"error": {"message": message, "type": "T", "param": None, "code": 400}})


# What the engine of 0.32.0 and 0.33.0 says of a mixture-of-experts adapter (vllm/lora/model_manager.py).
FUSED = (
    "Call to add_lora method failed: Worker failed with error 'LoRA adapter 3 contains fused 3D MoE weights for "
    "'model.layers.0.mlp.experts', but the model uses a 2D MoE LoRA wrapper. Start the engine with "
    "enable_mixed_moe_lora_format=True (--enable-mixed-moe-lora-format) and set is_3d_lora_weight=True on the LoRA "
    "request.', please check the stack trace above for the root cause"
)


@pytest.mark.parametrize(
    ("spoken", "hint"),
    [
        (FUSED, "set option is_3d_lora_weight to true for this adapter, and start the server with --enable-mixed"),
        (
            "Local LoRA adapter path is outside the configured allowed prefixes.",
            "VLLM_RUNTIME_LORA_ALLOWED_PATH_PREFIXES",
        ),
        ("add_lora failed: Expected `bool`, got `null` - at `$[4]`", "a fault of vLLM 0.32.0; the artifact is not at"),
    ],
)
def test_what_the_server_wants_is_said_in_full(spoken: str, hint: str) -> None:
    error = load_error(answer(500, said(spoken)), "load adapter 'x' from '/x'")
    assert f"and said '{spoken}'" in error.message
    assert hint in error.hint
    assert "max-lora-rank" not in error.message


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (
            "<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>",
            "with the title '400 No required SSL certificate was sent'",
        ),
        (
            "\ufeff\n<!DOCTYPE html><TITLE lang=en>\n 400 The plain HTTP request\n was sent to HTTPS&nbsp;port\n</TITLE>",
            "with the title '400 The plain HTTP request was sent to HTTPS port'",
        ),
        ("<html><head><title>a &lt;b&gt; \x1b[2J</title>", r"with the title 'a <b> \x1b[2J'"),
        ("<html><title>" + "x" * 5000 + "</title>", f"with the title '{'x' * 200}…'"),
        ("<html><title>sk-&quot;open&quot;</title>", "with the title '********'"),
        ("<html><title> </title><h1>Bad</h1>", "with a page of HTML;"),
        ("<html><h1>Bad</h1>", "with a page of HTML;"),
        ("<title" * 10_000, "with a page of HTML;"),
    ],
)
def test_title_of_a_page_names_the_cause(body: str, shown: str) -> None:
    for decode in (read_error, load_error, unload_error, completion_error):
        error = decode(answer(400, body, secret='sk-"open"'), "try it")
        assert f"the server answered 400 with a page of HTML {shown}".replace("HTML with a page of HTML", "HTML") in (
            error.message
        )
        assert "open" not in json.dumps([error.message, error.as_dict()])
        assert error.message.isprintable()
