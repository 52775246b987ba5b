# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be managed on a server, what an auditor wants to know of it, and waiting for it to start."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack, closing, suppress
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from typing import Any

from tests.stand_in import Fault
from tests.support.asking import eventually
from tests.support.playbook import IN_WORKER
from tests.support.site import Site, run_on_all

from .conftest import NewSite

INFO = """
- name: server
  sovereign.vllm.vllm_server_info:
"""
UNNEEDED = "runtime_lora_unneeded"
# Settings of a server; "static" also says that its adapters come from its start: version, runtime_lora, auth_required, ids of the findings.
SERVERS: dict[str, tuple[dict[str, Any], tuple[str, bool, bool, set[str]]]] = {
    "current": ({}, ("0.32.0", True, False, {"no_key"})),
    "locked": ({"api_key": "sesame"}, ("0.32.0", True, True, {"adapters_alias_open"})),
    "fixed-adapters": ({"api_key": "sesame", "runtime_lora": False}, ("0.32.0", False, True, set())),
    "static": ({"api_key": "sesame", "profile": "rust", "version": "0.32.0"}, ("0.32.0", True, True, {UNNEEDED})),
    "static-and-fixed": ({"api_key": "sesame", "runtime_lora": False}, ("0.32.0", False, True, set())),
    "development": (
        {"api_key": "sesame", "dev_routes": True},
        ("0.32.0", True, True, {"adapters_alias_open", "development_routes"}),
    ),
    "keyed-by-name": (
        {"profile": "0.30", "api_key": "sesame"},
        ("0.30.0", True, True, {"adapters_alias_open", "prefix_cache_by_name"}),
    ),
    "bypassed": (
        {"profile": "0.17", "api_key": "sesame"},
        ("0.17.1", True, True, {"adapters_alias_open", "prefix_cache_by_name", "key_bypass"}),
    ),
    "before-the-alias": ({"profile": "0.10.0", "api_key": "sesame"}, ("0.10.0", True, True, {"key_bypass"})),
    "old": ({"profile": "0.6.6", "api_key": "sesame"}, ("0.6.6.post1", True, True, {"too_old", "key_bypass"})),
    "rust": ({"profile": "rust", "api_key": "sesame"}, ("0.30.0", True, True, {"prefix_cache_by_name"})),
}


def test_findings(new_site: NewSite, tmp_path: Path) -> None:
    sites = {
        name: new_site(host={**IN_WORKER, "declaration": name.partition("-")[0]}, **settings)
        for name, (settings, _expected) in SERVERS.items()
    }
    task = (
        INFO
        + """    api_key: sesame
    adapters_from: "{{ (declaration == 'static') | ternary('startup', omit) }}"
"""
    )
    info = run_on_all(sites, task, tmp_path / "run").of("server")
    found = {
        name: (
            result["version"],
            result["runtime_lora"],
            result["auth_required"],
            {finding["id"] for finding in result["findings"]},
        )
        for name, result in info.items()
    }
    assert found == {name: expected for name, (_settings, expected) in SERVERS.items()}
    for name, result in info.items():
        assert not result.changed
        assert result["healthy"]
        assert {request.method for request in sites[name].watched.log} == {"GET"}
        for finding in result["findings"]:
            assert set(finding) == {"id", "severity", "message", "fix"}
            assert all(finding.values())


ODD = 'odd "name"\\'


def ask_and_be_cut_off(site: Site, model: str) -> None:
    with suppress(OSError, HTTPException):
        site.server.complete(model)


def test_adapters_at_work_and_slots(new_site: NewSite, tmp_path: Path) -> None:
    """From the metrics. Where they cannot be read, nothing is known, and nothing fails."""
    sites = {name: new_site(api_key="sesame") for name in ("fresh", "used", "hidden", "gone", "foreign")}
    sites["off"] = new_site(api_key="sesame", enable_lora=False)
    sites["several"] = new_site(api_key="sesame", completion_delay=60)
    for name in ("used", "several", "hidden"):
        for adapter in ("sql", ODD, "tickets"):
            sites[name].server.load(adapter, sites[name].artifact(adapter))
    sites["used"].server.complete("sql")
    # One request is at work while the server is asked, and cut off when the server is stopped.
    Thread(target=ask_and_be_cut_off, args=(sites["several"], ODD), daemon=True).start()
    assert eventually(lambda: any("completions" in request.path for request in sites["several"].watched.log))
    for name, fault in {
        "hidden": {"kind": "answer", "status": 403},
        "gone": {"kind": "reset"},
        "foreign": {"kind": "html"},
    }.items():
        sites[name].watched.faults.add(Fault("GET", "/metrics", **fault))
    done = run_on_all(sites, INFO + "    api_key: sesame\n    retries: 0\n", tmp_path / "run").of("server")
    idle: dict[str, Any] = {"enabled": True, "max_loras": 2, "running": [], "waiting": []}
    unknown = dict.fromkeys(idle)
    assert {name: result["lora"] for name, result in done.items()} == {
        "fresh": {**idle, "max_loras": None},
        "used": idle,
        "several": {**idle, "running": [ODD], "waiting": [ODD]},
        "off": {**unknown, "enabled": False},
        "hidden": unknown,
        "gone": unknown,
        "foreign": unknown,
    }
    for name, result in done.items():
        found = [finding for finding in result["findings"] if finding["id"] == "more_adapters_than_slots"]
        assert bool(found) == (name in ("used", "several")), name
    (found,) = [one for one in done["used"]["findings"] if one["id"] == "more_adapters_than_slots"]
    assert found["message"].startswith("The server lists 3 adapters, and a batch has room for 2 of them")


class Port:
    """Something that listens on loopback and begins with these bytes once it has been spoken to; `got` is what it read."""

    def __init__(self, says: bytes) -> None:
        self._says = says
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.number = self._listener.getsockname()[1]
        self.got = b""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _address = self._listener.accept()
        with connection, suppress(OSError):
            self.got = connection.recv(100)
            for byte in self._says:
                connection.sendall(bytes([byte]))
            connection.recv(1)

    def close(self) -> None:
        self._listener.close()


#: How a server of grpcio 1.85.3 begins: with a frame of settings. And how others do.
GRPC = bytes.fromhex(
    "000018 04 00 00000000 000400400000000500400000000600004000fe030000000100000408 0000000000003f0001"
)
FIRST_BYTES = {
    "open": GRPC,
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "tls": bytes.fromhex("1503010002 0228"),
    "mute": b"",
}


def test_grpc_port_is_probed_where_it_is_named(new_site: NewSite, tmp_path: Path) -> None:
    """It is told by how it begins: by a frame of settings. A port that is closed is as well as none."""
    with ExitStack() as stack:
        ports = {name: stack.enter_context(closing(Port(says))) for name, says in FIRST_BYTES.items()}
        numbers = {name: port.number for name, port in ports.items()} | {"closed": 9, "none": 0}
        sites = {
            name: new_site(host={**IN_WORKER, "port": number}, profile="rust-0.33") for name, number in numbers.items()
        }
        task = (
            INFO
            + """    grpc_port: "{{ port or omit }}"
    timeout: 5
"""
        )
        done = run_on_all(sites, task, tmp_path / "run").of("server")
    found = {name: " ".join(f["id"] for f in result["findings"] if "grpc" in f["id"]) for name, result in done.items()}
    unclear = dict.fromkeys(("http", "tls", "mute"), "grpc_unclear")
    assert found == {"open": "grpc_open", **unclear, "closed": "", "none": ""}
    answers = {name: result.values.get("grpc") for name, result in done.items()}
    other = dict.fromkeys(("http", "tls", "mute"), "other")
    assert answers == {"open": "open", **other, "closed": "closed", "none": None}
    assert done["open"]["findings"][0]["severity"] == "high"
    # A greeting, and no call of anything.
    assert {port.got for port in ports.values()} == {
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
    }


def test_whoever_gets_no_list_does_not_get_in(new_site: NewSite, tmp_path: Path) -> None:
    """The list is read once with the key, and once as a stranger, whom a proxy may lead to a page to log in."""
    answers = {f"answers-{status}": {"kind": "answer", "status": status} for status in (404, 429, 500, 503)}
    answers["page-to-log-in"] = {"kind": "redirect"}
    sites = {name: new_site() for name in answers}
    for name, answer in answers.items():
        sites[name].watched.faults.add(Fault("GET", "/v1/models", after=1, **answer))
    for name, result in run_on_all(sites, INFO, tmp_path / "run").of("server").items():
        assert result["auth_required"], name
        assert [finding["id"] for finding in result["findings"]] == ["adapters_alias_open"], name


def test_sick_server_is_told(new_site: NewSite) -> None:
    site = new_site()
    site.watched.faults.add(Fault("GET", "/health", "answer", status=503))
    assert not site.run(INFO)["server"]["healthy"]


def test_waits_until_the_server_is_up(new_site: NewSite) -> None:
    """It refuses connections, then is not healthy, then names no model, as a server does that starts."""
    site = new_site()
    site.watched.kill()
    site.watched.faults.add(
        Fault("GET", "/health", "answer", status=503, times=1),
        Fault("GET", "/v1/models", "empty_list", times=1),
    )
    start = threading.Timer(2.0, site.watched.start)
    start.start()
    run = site.run(INFO + "    wait: true\n    retries: 0\n")
    start.join()
    assert run["server"]["healthy"]
    assert site.asked.count("GET /health") >= 3


def test_waits_no_longer_than_told(new_site: NewSite) -> None:
    site = new_site()
    site.watched.kill()
    run = site.run(INFO + "    wait: true\n    wait_timeout: 2\n", rc=4)
    assert run["server"].code == "unreachable"
    assert "waited 2 seconds for it" in run["server"].msg


def test_silent_server_is_given_up_in_time(new_site: NewSite) -> None:
    """One look may not take longer than all of the waiting."""
    site = new_site()
    site.watched.faults.add(Fault("GET", "/health", "silence"))
    run = site.run(INFO + "    wait: true\n    wait_timeout: 1\n    timeout: 60\n", rc=4)
    assert run["server"].code == "timeout"
    assert site.asked == ["GET /health"]


def test_does_not_wait_where_waiting_cannot_help(new_site: NewSite) -> None:
    site = new_site(api_key="sesame")
    run = site.run(INFO + "    wait: true\n    api_key: wrong\n", rc=2)
    assert run["server"].code == "unauthorized"
    assert site.asked == ["GET /health", "GET /v1/models"]
