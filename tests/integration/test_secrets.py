# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key reaches the server and nothing else: no output, result or diff, whatever a server sends back."""

from __future__ import annotations

import contextlib
import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from tests.stand_in import Fault, Request
from tests.support.playbook import AS_MODULE, IN_WORKER, Run, run_playbook
from tests.support.site import Site

from .conftest import NewSite

KEY = "sk-5e5a3e-open"
TASKS = """
- name: server
  sovereign.vllm.vllm_server_info:
- name: info
  sovereign.vllm.vllm_base_model_info:
- name: load
  sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/sql"}
- name: move
  sovereign.vllm.vllm_lora_adapters: {adapters: [{name: sql, path: "{{ artifacts }}/new"}], prune: true}
- name: fail
  sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/missing"}
  ignore_errors: true
- name: offline
  sovereign.vllm.vllm_base_model_info: {base_url: "http://127.0.0.1:9", retries: 0}
  ignore_unreachable: true
"""
# A server, a proxy or a portal that repeats what it was sent.
ECHOES = {
    "error of vLLM": Fault("POST", "/v1/load", "answer", status=500, json={"error": {"message": f"Bearer {KEY}"}}),
    "page": Fault("GET", "/v1/models", "answer", text=f"<html>Authorization: Bearer {KEY}</html>"),
    "redirect": Fault("GET", "/v1/models", "redirect", location=f"https://portal.example.org/?key={KEY}"),
    "refusal": Fault("GET", "/v1/models", "answer", status=401, json={"error": f"bad key {KEY}"}),
    "retry after": Fault("GET", "/v1/models", "answer", status=429, headers={"Retry-After": KEY}),
    "version": Fault("GET", "/version", "answer", json={"version": f"0.6.{KEY}"}),
    "root": Fault(
        "GET",
        "/v1/models",
        "answer",
        json={
            "object": "list",
            "data": [
                {"id": "tiny", "root": "tiny", "parent": None, "max_model_len": 256},
                {"id": "sql", "root": f"/srv/{KEY}", "parent": "tiny", "max_model_len": None},
            ],
        },
    ),
}


def assert_unseen(run: Run) -> None:
    assert KEY not in run.output
    assert KEY not in json.dumps([result.values for result in run.results])


def serving(new_site: NewSite, way: dict[str, Any]) -> Site:
    site = new_site(host=way, api_key=KEY)
    for name in ("sql", "new"):
        site.artifact(name)
    return site


@pytest.fixture(params=[IN_WORKER, AS_MODULE], ids=["in the worker", "as a module"])
def way(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


@pytest.fixture
def site(way: dict[str, Any], new_site: NewSite) -> Site:
    return serving(new_site, way)


@pytest.mark.parametrize(
    "how",
    [
        {"defaults": {}, "variables": {"vllm_base_url": "{{ url }}", "vllm_api_key": KEY}},
        {"defaults": {"base_url": "{{ url }}"}, "variables": {}, "environment": {"VLLM_API_KEY": KEY}},
    ],
    ids=["from a host variable", "from the controller's environment"],
)
def test_key_is_nowhere_to_be_seen(site: Site, how: dict[str, Any]) -> None:
    """Nor in a command line, which everybody on the machine can read for as long as a process lives."""
    lines: set[bytes] = set()

    def look(_request: Request) -> None:
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                lines.add(file.read_bytes())

    site.watched.on_request = look
    log = site.artifacts.parent / "ansible.log"
    environment = {"ANSIBLE_LOG_PATH": str(log), **how.get("environment", {})}
    run = site.run(TASKS, options=["-vvvv", "--diff"], **{**how, "environment": environment})
    assert run["move"].changed
    assert "TASK [fail]" in log.read_text(encoding="utf-8")
    assert KEY not in log.read_text(encoding="utf-8")
    assert run["fail"].code == "artifact_not_found"
    with_key = [request for request in site.watched.log if request.headers.get("authorization") == f"Bearer {KEY}"]
    assert len(with_key) > 10
    assert_unseen(run)
    assert [line for line in lines if b"ansible" in line]
    assert not [line for line in lines if KEY.encode() in line]


def test_key_that_is_encrypted_in_the_playbook(site: Site, tmp_path: Path) -> None:
    """Up to ansible-core 2.18 such a value is no string."""
    (tmp_path / "password").write_text("hunter2", encoding="utf-8")
    encrypted = VaultLib([("default", VaultSecret(b"hunter2"))]).encrypt(KEY).decode()
    task = "- name: info\n  sovereign.vllm.vllm_base_model_info:\n    api_key: !vault |\n"
    run = site.run(
        task + textwrap.indent(encrypted, "      "),
        options=["-vvvv", "--vault-password-file", str(tmp_path / "password")],
        defaults={"base_url": "{{ url }}"},
    )
    assert run["info"]["base_models"]
    assert_unseen(run)


def test_key_that_comes_back_is_not_repeated(way: dict[str, Any], new_site: NewSite, tmp_path: Path) -> None:
    sites = {}
    for name, echo in ECHOES.items():
        sites[name.replace(" ", "_")] = site = serving(new_site, way)
        site.watched.clear_log()
        site.watched.faults.add(echo)
    hosts = {name: site.host for name, site in sites.items()}
    run = run_playbook(TASKS, hosts, tmp_path / "run", rc=None, options=["-vvvv", "--diff"], **site.connection)
    for name, site in sites.items():
        echoed = [request.headers.get("authorization") for request in site.watched.log if request.fault]
        assert f"Bearer {KEY}" in echoed, name
    assert {result.host for result in run.results if KEY in json.dumps(result.values)} == set()
    assert_unseen(run)
