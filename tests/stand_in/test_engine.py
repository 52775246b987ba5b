# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which weights serve a request, and what kills the engine."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stand_in import StandIn, write_adapter
from tests.support.asking import ask, complete, eventually, load, served, unload, weights

LONG = "a prompt that fills more than one block of the prefix cache"


def _is_down(server: StandIn) -> bool:
    try:
        ask(server.url, "GET", "/health")
    except ConnectionError:
        return True
    return False


def test_smaller_tensors_are_served_without_a_word(tmp_path: Path) -> None:
    with StandIn() as server:
        assert load(server.url, "a", write_adapter(tmp_path / "small", hidden=32)).status == 200


def test_an_evicted_adapter_is_read_again(tmp_path: Path) -> None:
    first, second = write_adapter(tmp_path / "1", seed=1), write_adapter(tmp_path / "2", seed=2)
    with StandIn(max_cpu_loras=1) as server:
        load(server.url, "a", first)
        before = weights(server.url, "a")
        load(server.url, "b", second)
        write_adapter(first, seed=3)
        assert weights(server.url, "a") != before
        assert set(served(server.url)) == {"tiny", "a", "b"}


@pytest.mark.parametrize(("profile", "health"), [("0.9", 500), ("0.32", 503)])
def test_an_evicted_adapter_whose_files_are_gone_kills_the_server(tmp_path: Path, profile: str, health: int) -> None:
    first, second = write_adapter(tmp_path / "1", seed=1), write_adapter(tmp_path / "2", seed=2)
    with StandIn(profile, max_cpu_loras=1, death_delay=60) as server:
        load(server.url, "a", first)
        load(server.url, "b", second)
        shutil.rmtree(first)
        assert complete(server.url, "b").status == 200
        death = complete(server.url, "a")
        assert death.status == 500
        assert "EngineCore encountered an issue" in death.text
        assert ask(server.url, "GET", "/health").status == health
        assert load(server.url, "c", second).status == 500
        assert complete(server.url, "tiny").status == 500
        server.restart()
        assert served(server.url) == {"tiny": "tiny"}
        assert ask(server.url, "GET", "/health").status == 200


@pytest.mark.parametrize(("profile", "sticks"), [("0.15", True), ("0.32", True), ("0.33", False)])
def test_load_inplace_sticks_up_to_0_32(tmp_path: Path, profile: str, sticks: bool) -> None:
    directory = write_adapter(tmp_path / "1", seed=1)
    with StandIn(profile, death_delay=0) as server:
        load(server.url, "a", directory, load_inplace=True)
        before = weights(server.url, "a")
        write_adapter(directory, seed=2)
        assert (weights(server.url, "a") != before) is sticks
        shutil.rmtree(directory)
        assert complete(server.url, "a").status == (500 if sticks else 200)
        assert eventually(lambda: _is_down(server)) if sticks else not _is_down(server)


def test_unload_and_load_unstick(tmp_path: Path) -> None:
    directory = write_adapter(tmp_path / "1", seed=1)
    with StandIn() as server:
        load(server.url, "a", directory, load_inplace=True)
        unload(server.url, "a")
        load(server.url, "a", directory)
        before = weights(server.url, "a")
        shutil.rmtree(directory)
        assert weights(server.url, "a") == before


def test_load_inplace_keeps_the_place_in_the_list(examples: Path) -> None:
    with StandIn() as server:
        for name in ("a", "b"):
            load(server.url, name, examples / "first")
        assert load(server.url, "a", examples / "second", load_inplace=True).status == 200
        assert list(served(server.url).items())[1:] == [("a", str(examples / "second")), ("b", str(examples / "first"))]


@pytest.mark.parametrize("profile", ["0.32", "0.33"])
@pytest.mark.parametrize("example", ["rank64", "missing"])
def test_a_failed_load_inplace_shows_the_old_root_and_leaves_the_weights(
    examples: Path, example: str, profile: str
) -> None:
    with StandIn(profile) as server:
        load(server.url, "a", examples / "first")
        before = weights(server.url, "a")
        assert load(server.url, "a", examples / example, load_inplace=True).status in (404, 500)
        assert served(server.url)["a"] == str(examples / "first")
        assert weights(server.url, "a") == before


@pytest.mark.parametrize("profile", ["0.15", "0.32", "0.33"])
def test_tensors_that_do_not_fit_are_noticed_when_the_old_ones_are_half_overwritten(
    examples: Path, profile: str
) -> None:
    """Up to 0.32 what is there then is served; from 0.33 on the next request to the name kills the engine."""
    with StandIn(profile, death_delay=60) as server:
        load(server.url, "a", examples / "first")
        before = weights(server.url, "a")
        # Under a name of its own it does no harm.
        assert load(server.url, "b", examples / "oversized").status >= 400
        assert weights(server.url, "a") == before
        assert load(server.url, "a", examples / "oversized", load_inplace=True).status >= 400
        assert served(server.url)["a"] == str(examples / "first")
        assert ask(server.url, "GET", "/health").status == 200
        assert complete(server.url, "tiny").status == 200
        if profile != "0.33":
            assert weights(server.url, "a") not in ("", before)
            return
        died = complete(server.url, "a")
        assert (died.status, ask(server.url, "GET", "/health").status) == (500, 503)
        assert died.json["error"]["message"] == "The server had an error while processing your request."
        assert "EngineCore encountered an issue" in load(server.url, "c", examples / "second").text


@pytest.mark.parametrize("profile", ["0.32", "0.33"])
def test_unload_and_load_cure_what_a_failed_load_inplace_left(examples: Path, profile: str) -> None:
    with StandIn(profile) as server:
        load(server.url, "a", examples / "first")
        before = weights(server.url, "a")
        load(server.url, "a", examples / "oversized", load_inplace=True)
        unload(server.url, "a")
        load(server.url, "a", examples / "first")
        assert weights(server.url, "a") == before


def _while_completing(server: StandIn, change: Callable[[], object]) -> str:
    """Make a change while a request is in flight, and return which weights served it."""
    answer: list[str] = []
    thread = threading.Thread(target=lambda: answer.append(weights(server.url, "a")))
    thread.start()
    assert eventually(lambda: any(request.path == "/v1/completions" for request in server.log))
    time.sleep(0.1)  # until the request has its weights
    change()
    thread.join()
    return answer[0]


def test_a_request_in_flight_keeps_its_weights_through_unload_and_load(examples: Path) -> None:
    with StandIn(completion_delay=0.8) as server:
        load(server.url, "a", examples / "first")
        old = weights(server.url, "a")
        server.clear_log()

        def swap() -> None:
            unload(server.url, "a")
            load(server.url, "a", examples / "second")

        assert _while_completing(server, swap) == old
        assert weights(server.url, "a") != old


def test_a_request_in_flight_mixes_weights_when_loaded_in_place(examples: Path) -> None:
    with StandIn(completion_delay=0.8) as server:
        load(server.url, "a", examples / "first")
        old = weights(server.url, "a")
        server.clear_log()
        mixed = _while_completing(server, lambda: load(server.url, "a", examples / "second", load_inplace=True))
        assert mixed == f"{old}+{weights(server.url, 'a')}"


@pytest.mark.parametrize(
    ("profile", "same_path", "stale"),
    [
        ("0.10.1", True, False),
        ("0.11.1", False, True),
        ("0.30", False, True),
        ("0.32", False, False),
        ("0.32", True, True),
    ],
)
def test_prefix_cache(tmp_path: Path, profile: str, same_path: bool, stale: bool) -> None:
    first = write_adapter(tmp_path / "1", seed=1)
    with StandIn(profile, dev_routes=True) as server:
        load(server.url, "a", first)
        old = weights(server.url, "a", LONG)
        unload(server.url, "a")
        load(server.url, "a", write_adapter(first if same_path else tmp_path / "2", seed=2))
        fresh = weights(server.url, "a", "short")
        assert weights(server.url, "a", LONG) == (f"{old}+{fresh}" if stale else fresh)
        ask(server.url, "POST", "/reset_prefix_cache")
        assert weights(server.url, "a", LONG) == fresh


@pytest.mark.parametrize("header", [b"[]", b'{"x": 1}', b'{"base_model.model.a.q_proj.lora_A.weight": {}}', b"{"])
def test_what_is_no_safetensors_file_is_rejected(tmp_path: Path, header: bytes) -> None:
    directory = write_adapter(tmp_path / "a")
    (directory / "adapter_model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with StandIn() as server:
        assert load(server.url, "a", directory).status == 500


def test_the_kind_of_peft_does_not_matter_but_its_fields_do(tmp_path: Path) -> None:
    directory = write_adapter(tmp_path / "a", peft_type="OTHER")
    with StandIn() as server:
        assert load(server.url, "a", directory).status == 200
        (directory / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 8, "lora_alpha": 8}')
        assert "target_modules" in load(server.url, "b", directory).text
