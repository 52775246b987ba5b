# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables on how vLLM behaves hold on every generation of the stand-in, which is held against recorded answers."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.stand_in import PROFILES, StandIn, write_adapter
from tests.support.asking import ask, complete, load, unload, weights
from tests.support.guide import GUIDES

GUIDE = (GUIDES / "vllm_guide.rst").read_text(encoding="utf-8")
GENERATIONS = [name for name in PROFILES if name != "0.6.6" and not name.startswith("rust")]
LONG_PROMPT = "Longer than one block of the prefix cache. " * 8


def table(beginning: str) -> list[list[str]]:
    """The rows of the table whose head begins with this; an empty first cell stands for the one above."""
    (text,) = (text for text in GUIDE.split(".. list-table::")[1:] if f"   * - {beginning}\n" in text)
    rows = [re.findall(r"^   [ *] - ?(.*)$", row, re.MULTILINE) for row in re.split(r"(?m)^(?=   \* -)", text)[1:]]
    for above, row in pairwise(rows):
        row[0] = row[0] or above[0]
    return rows[1:]


def release(name: str) -> tuple[int, ...]:
    return tuple(int(number) for number in PROFILES[name].version.split(".")[:2])


def is_meant(release_shown: str, name: str) -> bool:
    """Whether a cell such as `from 0.18` speaks of a generation."""
    if " " not in release_shown:
        return release_shown in ("all", name)
    first, *_words, last = release_shown.split()
    if first == "others":
        return name != "0.8.0"
    bound = tuple(int(number) for number in last.split("."))
    return release(name) <= bound if first == "up" else release(name) >= bound


def of_a_path_where_nothing_is(examples: Path, profile: str) -> int:
    with StandIn(profile) as server:
        return load(server.url, "sql", examples / "nothing").status


def of_an_adapter_that_the_engine_refuses(examples: Path, profile: str) -> int:
    with StandIn(profile) as server:
        return load(server.url, "sql", examples / "rank64").status


def of_a_name_that_is_served_already(examples: Path, profile: str) -> int:
    with StandIn(profile, static={"sql": examples / "first"}) as server:
        return load(server.url, "sql", examples / "second").status


def of_a_name_that_a_base_model_has(examples: Path, profile: str) -> int:
    with StandIn(profile) as server:
        return load(server.url, "tiny", examples / "first").status


def while_loading_at_run_time_is_off(examples: Path, profile: str) -> int:
    with StandIn(profile, runtime_lora=False) as server:
        return load(server.url, "sql", examples / "first").status


def with_a_wrong_key(examples: Path, profile: str) -> int:
    with StandIn(profile, api_key="sk-right") as server:
        return ask(server.url, "POST", "/v1/load_lora_adapter", {}, {"Authorization": "Bearer sk-wrong"}).status


LOADS: tuple[Callable[[Path, str], int], ...] = (
    of_a_path_where_nothing_is,
    of_an_adapter_that_the_engine_refuses,
    of_a_name_that_is_served_already,
    of_a_name_that_a_base_model_has,
    while_loading_at_run_time_is_off,
    with_a_wrong_key,
)


def test_every_load_of_the_table_is_asked() -> None:
    shown = dict.fromkeys(row[0] for row in table("Load"))
    asked = [question.__name__.replace("_", " ") for question in LOADS]
    assert all(text.startswith(question) for text, question in zip(shown, asked, strict=True)), list(shown)


@pytest.mark.parametrize("profile", GENERATIONS)
@pytest.mark.parametrize("question", LOADS, ids=lambda question: question.__name__)
def test_what_an_answer_means(question: Callable[[Path, str], int], profile: str, examples: Path) -> None:
    rows = [row for row in table("Load") if row[0].startswith(question.__name__.replace("_", " "))]
    told = next(answer for _load, releases, answer in rows if is_meant(releases, profile))
    assert question(examples, profile) == int(told[:3])


@pytest.mark.parametrize("profile", ["0.15", "0.32", "0.33"])
def test_after_a_load_in_place(profile: str, tmp_path: Path, examples: Path) -> None:
    """What the next request meets; the column is that of the release."""
    deeds: dict[str, Callable[[str, Path], object]] = {
        "the files change": lambda url, own: write_adapter(own, seed=2),
        "the directory is removed": lambda url, own: shutil.rmtree(own),
        "a tensor did not fit": lambda url, own: load(url, "sql", examples / "oversized", load_inplace=True),
    }
    rows = {row[0]: row[2 if profile == "0.33" else 1] for row in table("After ``load_inplace``")}
    assert rows.keys() == deeds.keys()
    for case, told in rows.items():
        with StandIn(profile, death_delay=60) as server:
            own = write_adapter(tmp_path / case, seed=1)
            # What sticks would put damaged weights right again at the next step.
            load(server.url, "sql", own, load_inplace=case != "a tensor did not fit")
            before = weights(server.url, "sql")
            deeds[case](server.url, own)
            reply = complete(server.url, "sql")
            if "kills" in told:
                assert reply.status == 500
            else:
                assert (weights(server.url, "sql") == before) is told.startswith("nothing changes")
            assert (ask(server.url, "GET", "/health").status == 200) is ("kills" not in told)


@pytest.mark.parametrize("profile", ["0.10.1", "0.11.1", "0.30", "0.32", "0.33"])
def test_the_prefix_cache(profile: str, tmp_path: Path) -> None:
    elsewhere, in_place = table("Change under one name")
    column = 1 if profile == "0.10.1" else 3 if profile in ("0.32", "0.33") else 2
    for row, path in ((elsewhere, tmp_path / "second"), (in_place, tmp_path / "first")):
        with StandIn(profile) as server:
            load(server.url, "sql", write_adapter(tmp_path / "first", seed=1))
            old = weights(server.url, "sql", LONG_PROMPT)
            unload(server.url, "sql")
            load(server.url, "sql", write_adapter(path, seed=2))
            is_stale = old in weights(server.url, "sql", LONG_PROMPT)
        assert ("wrong" in row[column]) == is_stale, row
