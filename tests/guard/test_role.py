# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role guard on a real nginx: its files, its life, and what becomes of them when something fails."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

from tests.stand_in import StandIn
from tests.support.asking import eventually
from tests.support.certificates import write_certificate

from .guarded import ADMIN, SERVER, TASK, USER, Guarded

KEYS = (USER, ADMIN, SERVER)
LOUD = ("-vvvv", "--diff")
CONFIGURATION, KEYS_FILE = "vllm-guard.conf", "vllm-guard.keys"


PLAY = """
- name: plan
  ansible.builtin.include_role: {name: sovereign.vllm.guard, apply: {check_mode: true}}
- name: make
  ansible.builtin.include_role: {name: sovereign.vllm.guard}
- name: find out what an auditor sees
  sovereign.vllm.vllm_server_info: {base_url: "{{ url }}", api_key: "{{ key }}", ca_path: "{{ pem }}", grpc_port: "{{ grpc }}"}
- name: make again
  ansible.builtin.include_role: {name: sovereign.vllm.guard}
- name: change a key
  ansible.builtin.include_role: {name: sovereign.vllm.guard}
  vars: {guard_user_keys: [another-key]}
- name: remove
  ansible.builtin.include_role: {name: sovereign.vllm.guard}
  vars: {guard_state: absent, guard_user_keys: []}
- name: remove again
  ansible.builtin.include_role: {name: sovereign.vllm.guard}
  vars: {guard_state: absent}
"""


def test_the_life_of_a_guard(guarded: Guarded, server: StandIn, tmp_path: Path) -> None:
    # The address of the node in its network. The server and its gRPC port listen on a loopback address.
    address = "127.0.0.9"
    pem = str(write_certificate(tmp_path / "node.pem", address))
    given = {"guard_certificate": pem, "guard_certificate_key": pem, "guard_listen": [f"{address}:{guarded.port}"]}
    asked = {"url": f"https://{address}:{guarded.port}", "key": ADMIN, "pem": pem}
    with socket.create_server(("127.0.0.1", 0)) as grpc:
        run = guarded.apply(tasks=PLAY, options=LOUD, **given, **asked, grpc=grpc.getsockname()[1])
    tasks = [result for result in run.results if result.task == TASK]
    assert [result.changed for result in tasks] == [True, True, False, True, True, False]
    planned, made, _again, rekeyed, removed, _gone = tasks
    assert planned["diff"] == made["diff"]
    assert "ssl_protocols" in made["diff"][0]["after"] and not made["diff"][0]["before"]
    assert rekeyed["diff"][1]["after"] == "(the new keys, not shown)\n"
    assert removed["digest"] is None and not guarded.files
    # At -vvvv with --diff.
    assert not [key for key in (*KEYS, "another-key") if key in run.output]

    seen = run["find out what an auditor sees"]
    assert seen["guarded"] and seen["auth_required"] and seen["runtime_lora"] and seen["grpc"] == "closed"
    # An old release: behind the guard, a crafted Host header does not get past the key.
    assert {finding["id"] for finding in seen["findings"]} == {"prefix_cache_by_name"}


def test_the_old_guard_stays_if_the_new_one_fails(guarded: Guarded, server: StandIn, tmp_path: Path) -> None:
    pem = str(write_certificate(tmp_path / "node.pem"))
    lost = {"certificate": str(tmp_path / "none.pem"), "certificate_key": pem}
    broken = guarded.place(**lost)
    assert broken["error"]["code"] == "guard_failed" and broken["msg"].endswith("there is no guard, as before.")
    assert not guarded.files

    assert guarded.place()["changed"] and not guarded.place()["changed"]
    before = guarded.files
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in guarded.nginx.directory.iterdir()}
    assert modes == {CONFIGURATION: 0o644, KEYS_FILE: 0o600}

    def is_as_before() -> bool:
        return guarded.files == before and guarded.ask("GET", "/v1/models").status == 200

    broken = guarded.place(**lost)
    assert "none.pem" in broken["msg"] and broken["msg"].endswith("the old configuration is kept.")
    assert is_as_before()
    # nginx -t does not notice an address that another program has.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        broken = guarded.place(listen=[f"127.0.0.1:{taken.getsockname()[1]}"], wait=1)
    assert "does not answer with its new configuration" in broken["msg"] and is_as_before()
    broken = guarded.place(test_command=["/nowhere/nginx", "-t"], read_timeout=5)
    assert "there is no command '/nowhere/nginx'; install nginx" in broken["msg"] and is_as_before()
    broken = guarded.place(reload_command=["false"], read_timeout=5)
    assert "false returned 1" in broken["msg"] and "the old files are back, and nginx was not told" in broken["msg"]
    assert is_as_before()
    # A role that is killed leaves half of its work, and the contents of before.
    old = {"configuration": before[CONFIGURATION], "keys": before[KEYS_FILE]}
    (guarded.nginx.directory / "vllm-guard.before").write_text(json.dumps(old))
    (guarded.nginx.directory / CONFIGURATION).write_text("half of a")
    broken = guarded.place(**lost)
    assert broken["msg"].endswith("the old configuration is kept.") and is_as_before()
    # Files that are as they should be are not enough: nginx has to answer.
    guarded.nginx.stop()
    assert guarded.place()["changed"] and is_as_before()
    (guarded.nginx.directory / KEYS_FILE).chmod(0o644)
    # Without a key of the server, that of the client goes on.
    assert guarded.place(upstream_key=None)["changed"]
    # On a busy machine, a former worker of nginx takes connections for a moment.
    assert eventually(lambda: guarded.ask("GET", "/v1/models").status == 401)
    assert server.log[-1].headers["authorization"] == f"Bearer {USER}"
    assert stat.S_IMODE((guarded.nginx.directory / KEYS_FILE).stat().st_mode) == 0o600


def test_bad_variables_are_refused_before_anything_is_written(guarded: Guarded) -> None:
    secret = "no token{}"
    refused = guarded.apply(rc=2, options=LOUD, guard_user_keys=[secret])
    assert "Option user_keys has a key with characters" in refused.output and secret not in refused.output
    unread = guarded.apply(rc=2, guard_wait="soon")
    assert "guard_wait" in unread.output
    assert not guarded.files
