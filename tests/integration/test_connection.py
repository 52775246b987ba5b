# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a server is spoken to: addresses, proxies, and what is sent."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.stand_in import Fault
from tests.support.recorder import Recorder

from .conftest import NewSite


def test_the_environment_gives_the_address_and_no_password(new_site: NewSite, tmp_path: Path) -> None:
    """The address may end as clients of OpenAI write it. What a netrc file holds for the host is not sent."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hunter2\n", encoding="utf-8")
    site = new_site()
    environment = {"VLLM_BASE_URL": f"{site.watched.url}/v1/", "NETRC": str(tmp_path / "netrc")}
    site.run("- sovereign.vllm.vllm_base_model_info:", defaults={}, environment=environment)
    assert site.asked == ["GET /v1/models"]
    assert ["authorization" in request.headers for request in site.watched.log] == [False]


@pytest.mark.parametrize(("use_proxy", "asked"), [(True, []), (False, ["GET /v1/models"])])
def test_proxy(new_site: NewSite, use_proxy: bool, asked: list[str]) -> None:
    site, proxy = new_site(), new_site()  # a stand-in does for a proxy that answers in the server's place
    task = f"- sovereign.vllm.vllm_base_model_info: {{use_proxy: {str(use_proxy).lower()}}}"
    proxy.watched.clear_log()
    site.run(task, rc=None, environment={"http_proxy": proxy.watched.url, "no_proxy": ""})
    assert site.asked == asked
    assert [request.path for request in proxy.watched.log] == ([] if asked else [f"{site.watched.url}/v1/models"])


def test_write_whose_answer_got_lost_behind_a_proxy_is_settled_by_the_list(new_site: NewSite) -> None:
    """Any loss of a proxied connection looks alike, but the request may have been passed on."""
    site = new_site()
    path = site.artifact("sql")
    site.watched.faults.add(Fault("POST", "/v1/load_lora_adapter", "reset", times=1, effect=True))
    with Recorder(site.watched.url) as proxy:
        run = site.run(
            "- name: load\n  sovereign.vllm.vllm_lora_adapter: {name: sql, path: '{{ artifacts }}/sql'}",
            environment={"http_proxy": proxy.url, "no_proxy": ""},
        )
    assert [f"{request.method} {request.path.removeprefix(site.watched.url)}" for request in proxy.log] == site.asked
    assert run["load"].changed
    assert len(site.watched.writes) == 1
    assert site.server.served() == {"sql": path}


def test_only_what_is_needed_is_sent(new_site: NewSite) -> None:
    """Servers ignore fields that they do not know, and `load_inplace` sticks to an adapter that was not even there.

    The stand-in has no hub to ask for a relative path, and says so as vLLM does that is offline.
    """
    site = new_site()
    first = site.artifact("first")
    run = site.run(
        """
        - sovereign.vllm.vllm_lora_adapter: {name: plain, path: "{{ artifacts }}/first/", base_model: tiny}
        - sovereign.vllm.vllm_lora_adapter: {name: moe, path: "{{ artifacts }}/first", is_3d_lora_weight: true}
        - sovereign.vllm.vllm_lora_adapter: {name: new, path: "{{ artifacts }}/first", reload_strategy: in_place}
        - sovereign.vllm.vllm_lora_adapter: {name: new, state: absent}
        - name: from a hub
          sovereign.vllm.vllm_lora_adapter: {name: hub, path: org/sql, allow_hub: true}
          ignore_errors: true
        """
    )
    assert [request.body for request in site.watched.writes] == [
        {"lora_name": "plain", "lora_path": f"{first}/"},
        {"lora_name": "moe", "lora_path": first, "is_3d_lora_weight": True},
        {"lora_name": "new", "lora_path": first},
        {"lora_name": "new"},
        {"lora_name": "hub", "lora_path": "org/sql"},
    ]
    assert run["from a hub"].code == "artifact_not_found"


def test_without_requests_the_python_that_lacks_it_is_named(new_site: NewSite, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    bare.chmod(0o755)
    site = new_site(host={"ansible_connection": "local", "ansible_python_interpreter": str(bare)})
    run = site.run("- name: info\n  sovereign.vllm.vllm_base_model_info:", rc=2)
    assert re.match(r"Could not import requests with /\S+ on \S+: .*'requests'; install requests", run["info"].msg)
    assert run["info"].code == "requests_missing"
    assert site.asked == []
