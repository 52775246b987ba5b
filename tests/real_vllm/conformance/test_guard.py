# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real nginx with the guard in front of the real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.routes import CLOSED_ROUTES, ROUTES

from tests.guard.guarded import ADMIN, OTHER_ADDRESS, USER, Guarded
from tests.support.asking import ask
from tests.support.nginx import Nginx
from tests.support.site import Site

INFO = """
- name: info
  sovereign.vllm.vllm_server_info: {base_url: "{{ url }}", api_key: "{{ key }}"}
"""


@pytest.fixture
def guarded(site: Site, tmp_path: Path) -> Iterator[Guarded]:
    with Nginx(tmp_path / "nginx") as nginx:
        guarded = Guarded(nginx, site.server.url, tmp_path, guard_upstream_key=site.server.api_key)
        assert guarded.place()["changed"]
        yield guarded


def test_users_get_answers_and_administrators_load(site: Site, guarded: Guarded) -> None:
    # Whatever the release has more, nobody gets at.
    paths = set(ask(site.server.url, "GET", "/openapi.json").json["paths"])
    known = {route.path for route in ROUTES} | set(CLOSED_ROUTES)
    assert {path.replace("{response_id}", "{id}").replace("{adapter_name}", "{id}") for path in paths} <= known

    path = site.artifact("guarded")
    load = json.dumps({"lora_name": "guarded", "lora_path": path}).encode()
    alias = json.dumps({"name": "guarded", "src": path}).encode()
    for key, status in ((None, 401), (USER, 403)):
        assert guarded.ask("POST", "/v1/load_lora_adapter", key, body=load).status == status
        assert guarded.ask("POST", "/adapters", key, body=alias).status == status
        for target in ("//adapters", "/adapters/", "/%61dapters", "/v1/../adapters", "/adapters/../adapters"):
            assert guarded.ask("POST", target, key, body=alias).status == 404
    assert site.server.served() == {}
    assert guarded.ask("POST", "/v1/load_lora_adapter", ADMIN, OTHER_ADDRESS, load).status == 200
    assert site.server.served() == {"guarded": path}

    stream = {"model": "guarded", "prompt": "Audit", "max_tokens": 8, "stream": True, "ignore_eos": True}
    answered = guarded.ask("POST", "/v1/completions", USER, body=json.dumps(stream).encode())
    assert answered.status == 200 and answered.body.count("data: {") >= 2 and "data: [DONE]" in answered.body
    assert guarded.ask("POST", "/v1/completions", None, body=json.dumps(stream).encode()).status == 401
    # The server itself asks for no key here.
    tokenize = json.dumps({"model": site.base_model, "prompt": "Audit"}).encode()
    assert ask(site.server.url, "POST", "/tokenize", tokenize, {"Content-Type": "application/json"}).status == 200
    assert guarded.ask("POST", "/tokenize", None, body=tokenize).status == 401
    assert guarded.ask("POST", "/tokenize", USER, body=tokenize).status == 200

    found = {}
    for name, url, key in (("bare", site.server.url, site.server.api_key), ("guarded", guarded.url, ADMIN)):
        run = guarded.apply(tasks=INFO, url=url, key=key)
        found[name] = {finding["id"] for finding in run["info"]["findings"]}
    assert "adapters_alias_open" in found["bare"]
    assert not found["guarded"] & {"adapters_alias_open", "development_routes", "key_bypass", "no_key"}
