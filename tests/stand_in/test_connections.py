# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several clients, several servers, and connections that end."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from tests.stand_in import StandIn
from tests.support.asking import ask, eventually, load, served, unload


def test_a_load_goes_on_when_the_client_has_gone(examples: Path) -> None:
    with StandIn(load_delay=0.4) as server:
        with pytest.raises(TimeoutError):
            ask(
                server.url,
                "POST",
                "/v1/load_lora_adapter",
                {"lora_name": "a", "lora_path": f"{examples}/first"},
                timeout=0.1,
            )
        assert eventually(lambda: "a" in served(server.url))


@pytest.mark.parametrize(("profile", "statuses"), [("0.9", [200, 200]), ("0.10.0", [200, 400])])
def test_two_loads_of_one_name_at_once(examples: Path, profile: str, statuses: list[int]) -> None:
    with StandIn(profile, load_delay=0.3) as server:
        seen: list[int] = []
        threads = [
            threading.Thread(target=lambda: seen.append(load(server.url, "a", examples / "first").status))
            for _turn in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(seen) == statuses
        cards = ask(server.url, "GET", "/v1/models").json["data"]
        assert [card["id"] for card in cards] == ["tiny"] + ["a"] * statuses.count(200)
        unload(server.url, "a")
        assert served(server.url) == {"tiny": "tiny"}


def test_replicas_answer_in_turn(examples: Path) -> None:
    with StandIn(replicas=2) as server:
        load(server.url, "a", examples / "first")
        assert ["a" in served(server.url) for _turn in range(4)] == [False, True, False, True]


def test_dead_and_back() -> None:
    with StandIn() as server:
        kept = socket.create_connection(("127.0.0.1", server.port))
        ask(server.url, "GET", "/health")
        server.kill()
        assert kept.recv(1) == b""
        kept.close()
        with pytest.raises(ConnectionRefusedError):
            ask(server.url, "GET", "/health")
        server.restart()
        assert ask(server.url, "GET", "/health").status == 200


def test_idle_connections_are_closed() -> None:
    with StandIn(keep_alive=0.1) as server, socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.settimeout(5)
        assert connection.recv(1) == b""
