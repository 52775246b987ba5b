# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m tests.stand_in, as playbooks and the demo start it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.asking import ask, served

PROJECT = Path(__file__).resolve().parents[2]


@contextmanager
def _running(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "tests.stand_in", *arguments]
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


def test_static_adapters_and_control(tmp_path: Path, examples: Path) -> None:
    other = json.dumps({"name": "b=c", "path": str(examples / "second")})
    arguments = ["--profile", "0.30", "--static", f"a={examples}/first", "--static", other]
    with _running(*arguments, "--pid-file", f"{tmp_path}/pid", "--control") as (url, process):
        assert (tmp_path / "pid").read_text() == f"{process.pid}\n"
        assert ask(url, "GET", "/version").json == {"version": "0.30.0"}
        assert served(url) == {"tiny": "tiny", "a": f"{examples}/first", "b=c": f"{examples}/second"}
        fault = {"method": "GET", "path": "/v1/models", "kind": "html"}
        assert ask(url, "POST", "/stand-in/faults", [fault]).status == 200
        assert "log in" in ask(url, "GET", "/v1/models").text
        log = ask(url, "GET", "/stand-in/log").json
        assert [(line["method"], line["path"]) for line in log] == [
            ("GET", path) for path in ("/version", "/v1/models", "/v1/models")
        ]
        ask(url, "DELETE", "/stand-in/log")
        assert ask(url, "GET", "/stand-in/log").json == []
        assert ask(url, "POST", "/stand-in/faults", [{**fault, "kind": "sulk"}]).status == 400
    with _running() as (url, _process):
        assert ask(url, "GET", "/stand-in/log").status == 404


def test_mistakes_are_told_in_one_line() -> None:
    command = [sys.executable, "-m", "tests.stand_in", "--profile", "old"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "not a vLLM version: 'old'" in done.stderr
