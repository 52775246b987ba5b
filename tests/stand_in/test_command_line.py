# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m tests.vllm_stand_in, as playbooks and the demo start it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.asking import ask, load, served

PROJECT = Path(__file__).resolve().parents[2]


@contextmanager
def _running(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "tests.vllm_stand_in", *arguments]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:")
        yield line.split()[-1], process
    finally:
        process.terminate()
        assert process.wait(10) == 0
        process.stdout.close()


def test_everything_at_once(tmp_path: Path, examples: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    (tmp_path / "faults.json").write_text(
        json.dumps([{"method": "GET", "path": "/health", "kind": "html", "times": 1}])
    )
    arguments = [
        "--profile",
        "0.30",
        "--base-model",
        "big",
        "--base-model",
        "alias",
        "--api-key-file",
        f"{tmp_path}/key",
    ]
    arguments += ["--static", f"a={examples}/first", "--log", f"{tmp_path}/log", "--pid-file", f"{tmp_path}/pid"]
    arguments += ["--faults", f"{tmp_path}/faults.json"]
    with _running(*arguments) as (url, process):
        assert (tmp_path / "pid").read_text() == f"{process.pid}\n"
        cards = ask(url, "GET", "/v1/models", headers={"Authorization": "Bearer secret"}).json["data"]
        assert [card["id"] for card in cards] == ["big", "alias", "a"]
        assert ask(url, "GET", "/v1/models").status == 401
        assert "log in" in ask(url, "GET", "/health").text
        assert ask(url, "GET", "/version").json == {"version": "0.30.0"}
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [(line["path"], line["status"], line["authorized"]) for line in lines][:2] == [
        ("/v1/models", 200, True),
        ("/v1/models", 401, False),
    ]
    assert "secret" not in (tmp_path / "log").read_text()


def test_control(examples: Path) -> None:
    with _running("--control") as (url, _process):
        load(url, "a", examples / "first")
        assert (
            ask(url, "POST", "/stand-in/faults", [{"method": "GET", "path": "/v1/models", "kind": "html"}]).status
            == 200
        )
        assert "log in" in ask(url, "GET", "/v1/models").text
        assert ask(url, "DELETE", "/stand-in/faults").status == 200
        assert "a" in served(url)
        assert ask(url, "POST", "/stand-in/restart").status == 200
        assert served(url) == {"tiny": "tiny"}
        log = ask(url, "GET", "/stand-in/log").json
        assert [line["method"] for line in log] == ["POST", "GET", "GET", "GET"]
        ask(url, "DELETE", "/stand-in/log")
        assert ask(url, "GET", "/stand-in/log").json == []
        assert ask(url, "POST", "/stand-in/faults", [{"kind": "sulk"}]).status == 400
    with _running() as (url, _process):
        assert ask(url, "GET", "/stand-in/log").status == 404


def test_mistakes_are_told_in_one_line() -> None:
    command = [sys.executable, "-m", "tests.vllm_stand_in", "--profile", "old"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=20, env=os.environ, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "not a vLLM version: 'old'" in done.stderr
