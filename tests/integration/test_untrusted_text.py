# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server says is text: no template, no sequence that steers a terminal, wherever it goes through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.lifecycle.from_the_artifact import converge
from tests.stand_in import Fault
from tests.support.playbook import AS_MODULE, IN_WORKER

from .conftest import NewSite

LIST = "/v1/models"
BASE = {"id": "tiny", "object": "model", "root": "tiny", "parent": None, "max_model_len": 256}
BOTH_WAYS = pytest.mark.parametrize("host", [IN_WORKER, AS_MODULE], ids=["in the worker", "as a module"])


def listing(*adapters: tuple[str, str], base: str = "tiny", **how: Any) -> Fault:
    cards = [
        {"id": name, "object": "model", "root": root, "parent": base, "max_model_len": None} for name, root in adapters
    ]
    data = [{**BASE, "id": base, "root": base}, *cards]
    # As ASCII, which has room for everything that JSON can say, half a surrogate pair included.
    return Fault("GET", LIST, "answer", text=json.dumps({"object": "list", "data": data}), **how)


@BOTH_WAYS
def test_results_are_data(new_site: NewSite, host: dict[str, Any], jinja: str, ran: Path) -> None:
    """Registered, put together to facts, looped over, asked in conditions, and given to the next task."""
    site = new_site(host=host)
    base = f"base {jinja}"
    site.watched.faults.add(
        listing((jinja, f"/srv/{jinja}"), base=base),
        Fault("GET", "/version", "answer", json={"version": f"0.30.0 {jinja}"}),
        Fault("POST", "/v1/", "answer", status=500, json={"error": {"message": jinja}}),
    )
    run = site.run(
        """
        - name: info
          sovereign.vllm.vllm_base_model_info:
          register: info
        - sovereign.vllm.vllm_server_info:
          register: server
        - name: prune
          sovereign.vllm.vllm_lora_adapters: {adapters: [], prune: true, retries: 0}
          register: pruned
          ignore_errors: true
        - ansible.builtin.set_fact:
            names: "{{ info.adapters | map(attribute='name') | list }}"
            sentence: "{{ server.version ~ ' serves ' ~ info.base_models[0].id }}"
            why: "{{ pruned.msg }} {{ pruned.error.detail }}"
        - name: told
          ansible.builtin.debug: {msg: ["{{ names[0] }}", "{{ sentence }}", "{{ why }}"]}
        - name: each
          sovereign.vllm.vllm_lora_adapter: {name: "{{ item.name }}", path: "{{ item.root }}"}
          loop: "{{ info.adapters }}"
          when: item.name in names and item.parent == info.base_models[0].id
        - name: absent
          sovereign.vllm.vllm_lora_adapter: {name: "{{ names[0] }}", state: absent, retries: 0}
          ignore_errors: true
        """
    )
    assert not ran.exists()
    assert run["told"].msg[0] == run["info"]["adapters"][0]["name"] == jinja
    assert run["told"].msg[1] == f"0.30.0 {jinja} serves {base}"
    assert jinja in run["told"].msg[2]
    assert run["each"]["results"][0]["adapter"]["name"] == jinja
    assert {request.body["lora_name"] for request in site.watched.writes} == {jinja}


@BOTH_WAYS
def test_role_takes_names_and_roots_for_data(new_site: NewSite, host: dict[str, Any], jinja: str, ran: Path) -> None:
    """And tells nobody the key."""
    site = new_site(host=host, api_key="a-secret-key")
    source = site.artifact("sql")
    for name in (jinja, f"sql-{jinja}", "sql-0123abcd"):
        site.server.load(name, source)
    site.watched.faults.add(Fault("GET", "/version", "answer", json={"version": jinja}))
    run = converge(
        site,
        {"name": "sql", "src": source},
        lora_versioned_names=True,
        lora_prune=True,
        lora_grace_period=0,
        options=["--diff", "-vvvv"],
    )
    assert not ran.exists()
    assert "a-secret-key" not in run.output
    (name,) = site.server.served()
    assert name.startswith("sql-")


ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\u202e\x00\u2028"
# Ansible prints data that is to be passed on unchanged, such as names, and escapes what its format asks for.
LEFT_BY_ANSIBLE = {"\x9b", "\u202e", "\u2028"}


@BOTH_WAYS
@pytest.mark.parametrize("form", ["json", "yaml"])
def test_no_server_steers_a_terminal(new_site: NewSite, host: dict[str, Any], form: str) -> None:
    """Names, roots, versions and refusals with control characters, in everything that is printed and logged."""
    site = new_site(host=host)
    name = f"sql{ESCAPES}"
    site.watched.faults.add(
        listing((name, f"/srv/{ESCAPES}"), times=3),
        Fault("GET", "/version", "answer", text=json.dumps({"version": f"0.30.0{ESCAPES}"})),
        Fault("POST", "/v1/", "answer", status=500, text=json.dumps({"error": {"message": f"no {ESCAPES}"}})),
        Fault("GET", LIST, "answer", status=500, text=json.dumps({"detail": ESCAPES})),
    )
    tasks = """
        - name: info
          sovereign.vllm.vllm_base_model_info:
        - name: server
          sovereign.vllm.vllm_server_info:
          ignore_errors: true
        - name: converge
          sovereign.vllm.vllm_lora_adapters: {adapters: [{name: other, path: /srv/other}], prune: true, retries: 0}
          ignore_errors: true
        - name: refused
          sovereign.vllm.vllm_base_model_info: {retries: 0}
          ignore_errors: true
    """
    environment = {"ANSIBLE_CALLBACK_RESULT_FORMAT": form, "ANSIBLE_LOG_PATH": str(site.artifacts.parent / "log")}
    run = site.run(tasks, rc=None, options=["-vvvv", "--diff"], environment=environment)
    assert run["info"]["adapters"][0]["name"] == name
    assert run["refused"].status == "failed"
    for result in run.results:
        assert all(text.isprintable() for text in [result.values.get("msg", ""), *result.warnings])
    for text in (run.output, Path(environment["ANSIBLE_LOG_PATH"]).read_text(encoding="utf-8")):
        assert {character for character in text if not character.isprintable()} <= LEFT_BY_ANSIBLE | {"\n", "\t"}


@BOTH_WAYS
def test_half_a_character_is_no_text(new_site: NewSite, host: dict[str, Any]) -> None:
    """No result could hold it, so that its task would end without one."""
    site = new_site(host=host)
    site.watched.faults.add(
        listing(("sql\ud800", "/srv/sql"), times=1),
        Fault("GET", LIST, "answer", status=400, text='{"error": {"message": "\\udfff"}}'),
    )
    details = {"list": "sql\\ud800", "refusal": '{"error": {"message": "\\udfff"}}'}
    task = "- name: {}\n  sovereign.vllm.vllm_base_model_info:\n  ignore_errors: true\n"
    run = site.run("".join(task.format(name) for name in details))
    for name, detail in details.items():
        assert (run[name].status, run[name].code) == ("failed", "not_vllm"), name
        assert detail in run[name]["error"]["detail"]
