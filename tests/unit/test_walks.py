# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The walks in CONTRIBUTING.md name exactly the files that a run of the module enters, in order."""

from __future__ import annotations

import importlib
import json
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

if sys.version_info < (3, 10):
    pytest.skip("The stand-in server needs Python 3.10.", allow_module_level=True)

from ansible.module_utils import basic

from tests.stand_in import Fault, StandIn

TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTION = TEXT.split("\n## Follow a behaviour from the option to the request\n")[1].split("\n## ")[0]
WALKS = {title.split(",")[0]: walk for title, walk in re.findall(r"^### (.*)\n\n((?:\d.*\n)+)", SECTION, re.MULTILINE)}
ROOMS = "/plugins/module_utils/"
ONE, ALL = "vllm_lora_adapter", "vllm_lora_adapters"
GONE = {"error": {"message": "The lora adapter 'first' cannot be found.", "type": "NotFoundError", "code": 404}}


def sends_a_write(frame: FrameType) -> bool:
    return sends(frame) and frame.f_locals["method"] == "POST"


def sends(frame: FrameType) -> bool:
    return frame.f_code.co_name == "_exchange"


def never(frame: FrameType) -> bool:
    return False


#: Walk: the module, its options, and the call at which the walk ends.
RUNS: dict[str, tuple[str, dict, Callable[[FrameType], bool]]] = {
    "`path` of `vllm_lora_adapter`": (ONE, {"name": "sql", "path": "/sql"}, sends_a_write),
    "`prune_limit` of `vllm_lora_adapters`": (ALL, {"adapters": [], "prune": True, "prune_limit": 0}, never),
    "`api_key` of `vllm_lora_adapter`": (ONE, {"name": "sql", "path": "/sql", "api_key": "sk-own"}, sends),
    "A 404 on unload in `vllm_lora_adapter`": (ONE, {"name": "first", "state": "absent"}, never),
}


def test_every_walk_is_run_and_short() -> None:
    assert list(WALKS) == list(RUNS)
    assert max(len(walk.splitlines()) for walk in WALKS.values()) <= 16


@pytest.mark.parametrize("walk", WALKS)
def test_a_walk_names_the_files_that_are_entered(walk: str, examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, options, ends = RUNS[walk]
    with StandIn(static={"first": examples / "first"}) as server:
        server.faults.add(Fault("POST", "/v1/unload_lora_adapter", "answer", status=404, json=GONE, effect=True))
        entered = trace(module, {"base_url": server.url, **options}, ends, monkeypatch)
    named = [re.findall(r"`([^`]+)`", step.split(". ", 1)[1]) for step in WALKS[walk].splitlines()]
    assert [file for file, *_functions in named] == list(entered)
    for file, *words in named:
        functions = {word.split(".")[-1] for word in words if f"def {word.split('.')[-1]}(" in source(file)}
        assert functions, file
        assert functions <= entered[file], file


def trace(
    module: str, options: dict, ends: Callable[[FrameType], bool], monkeypatch: pytest.MonkeyPatch
) -> dict[str, set[str]]:
    """Run the module in this process; return the functions that it entered by file, up to the call at which it ends."""
    entered: dict[str, set[str]] = {}
    has_ended = threading.Event()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        _before, room, file = frame.f_code.co_filename.partition(ROOMS)
        if event == "call" and room and not has_ended.is_set() and frame.f_code.co_name != "<module>":
            entered.setdefault(file, set()).add(frame.f_code.co_name)
            if ends(frame):
                has_ended.set()

    main = importlib.import_module(f"ansible_collections.sovereign.vllm.plugins.modules.{module}").main
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode())
    # Wanted from ansible-core 2.19 on.
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        with pytest.raises(SystemExit):
            main()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return entered


def source(file: str) -> str:
    return (Path(__file__).parents[2] / ROOMS.strip("/") / file).read_text(encoding="utf-8")
