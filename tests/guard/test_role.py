# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role guard on a real nginx: its files, its life, and what becomes of them when something fails."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

from tests.stand_in import StandIn
from tests.support.certificates import write_certificate

from .guarded import ADMIN, SERVER, TASK, USER, Guarded

KEYS = (USER, ADMIN, SERVER)
LOUD = ("-vvvv", "--diff")
CONFIGURATION, KEYS_FILE = "vllm-guard.conf", "vllm-guard.keys"


def test_the_life_of_a_guard(guarded: Guarded) -> None:
    planned = guarded.apply(options=("--check", *LOUD))
    assert planned[TASK].changed and not guarded.files

    made = guarded.apply(options=LOUD)
    assert made[TASK].changed
    assert set(guarded.files) == {CONFIGURATION, KEYS_FILE}
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in guarded.nginx.directory.iterdir()}
    assert modes == {CONFIGURATION: 0o644, KEYS_FILE: 0o600}
    assert guarded.ask("GET", "/v1/models").status == 200
    assert made[TASK]["digest"] in guarded.ask("GET", "/anything").headers

    assert not guarded.apply()[TASK].changed
    # nginx is the one that answers, not its files.
    guarded.nginx.__exit__()
    assert guarded.apply()[TASK].changed and guarded.ask("GET", "/v1/models").status == 200

    new_key = {"guard_user_keys": ["another-key"]}
    rekeyed = guarded.apply(options=LOUD, **new_key)
    assert rekeyed[TASK].changed and "(the new keys, not shown)" in rekeyed.output
    assert guarded.ask("GET", "/v1/models").status == 401
    assert guarded.ask("GET", "/v1/models", key="another-key").status == 200

    removed = guarded.apply(options=LOUD, guard_state="absent", guard_user_keys=[])
    assert removed[TASK].changed and not guarded.files
    assert not guarded.apply(guard_state="absent")[TASK].changed
    for run in (planned, made, rekeyed, removed):
        assert not [key for key in (*KEYS, "another-key") if key in run.output]
    assert not [key for key in KEYS if key in made[TASK]["diff"][0]["after"]]


def test_the_old_guard_stays_if_the_new_one_fails(guarded: Guarded, tmp_path: Path) -> None:
    pem = write_certificate(tmp_path / "node.pem")
    tls = {"guard_certificate": str(pem), "guard_certificate_key": str(pem)}
    broken = guarded.apply(rc=2, **{**tls, "guard_certificate": str(tmp_path / "none.pem")})[TASK]
    assert broken.code == "guard_failed" and "there is no guard, as before" in broken.msg
    assert not guarded.files

    guarded.apply()
    before = guarded.files
    broken = guarded.apply(rc=2, **{**tls, "guard_certificate": str(tmp_path / "none.pem")})[TASK]
    assert "none.pem" in broken.msg and broken.msg.endswith("the old configuration is kept.")
    assert guarded.files == before and guarded.ask("GET", "/v1/models").status == 200

    # nginx -t does not notice an address that another program has.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        elsewhere = [f"127.0.0.1:{taken.getsockname()[1]}"]
        lost = guarded.apply(rc=2, guard_listen=elsewhere, guard_wait=1)[TASK]
    assert "does not answer with its new configuration" in lost.msg
    assert guarded.files == before and guarded.ask("GET", "/v1/models").status == 200

    # A run that was killed after its first write, and before nginx has tested anything.
    (guarded.nginx.directory / "vllm-guard.before").write_text(
        json.dumps({"configuration": before[CONFIGURATION], "keys": before[KEYS_FILE]})
    )
    (guarded.nginx.directory / CONFIGURATION).write_text("half of a config")
    assert guarded.apply()[TASK].changed
    assert guarded.files == before

    missing = guarded.apply(rc=2, guard_test_command=["/nowhere/nginx", "-t"], guard_read_timeout=5)[TASK]
    assert "there is no command '/nowhere/nginx'; install nginx" in missing.msg
    assert guarded.files == before


def test_bad_variables_are_refused_before_anything_is_written(guarded: Guarded) -> None:
    secret = "no token{}"
    refused = guarded.apply(rc=2, options=LOUD, guard_user_keys=[secret])
    assert "Option user_keys has a key with characters" in refused.output and secret not in refused.output
    unread = guarded.apply(rc=2, guard_wait="soon")
    assert "guard_wait" in unread.output
    assert not guarded.files


def test_over_tls(guarded: Guarded, server: StandIn, tmp_path: Path) -> None:
    pem = write_certificate(tmp_path / "node.pem")
    guarded.apply(guard_certificate=str(pem), guard_certificate_key=str(pem))
    asked = """
    - name: info
      sovereign.vllm.vllm_server_info: {base_url: "{{ url }}", api_key: "{{ key }}", ca_path: "{{ pem }}"}
    """
    url = f"https://127.0.0.1:{guarded.port}"
    run = guarded.apply(tasks=asked, url=url, key=ADMIN, pem=str(pem))
    assert run["info"]["findings"] == []
