# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent of a site: what it says of its runs, how long it waits, and which settings it is refused with."""

from __future__ import annotations

import fcntl
import os
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

if sys.version_info < (3, 10):
    pytest.skip("The controller's side needs a Python of the controller.", allow_module_level=True)

from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site import agent as program
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site import last_run
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.environment import carried_files, packed
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.layout import Layout
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.node import check_settings
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.playing import Outcome

from tests.support.sealed import tarball


def row(name: str, verdict: str = "in_sync", reason: str = "") -> dict:
    return {"name": name, "verdict": verdict, "reason": reason, "error": None, "adapters": []}


def outcome(reasons: dict[str, str] | None = None, **hosts: bool) -> Outcome:
    return Outcome(2 if reasons else 0, reasons or {}, hosts, "what the playbook printed")


@pytest.mark.parametrize(
    ("outcomes", "rows", "said"),
    [
        ([outcome(a=False)], [row("a")], "a serves the declared adapters."),
        ([outcome(a=True)], [row("a")], "a serves the declared adapters again, after a repair."),
        ([outcome(a=False)], [row("a", "undeclared")], "a serves the declared adapters, and others."),
        # Those that need a person come first.
        (
            [outcome({"b": "'sql' was refused."}, a=False, b=True)],
            [row("a"), row("b", "drifted")],
            "b does not serve what is declared: 'sql' was refused; a serves the declared adapters.",
        ),
        ([outcome({"a": "No token."}, a=False)], [row("a")], "a could not be converged: No token."),
        # The audit tells why nobody answers, and a later run for this server counts more than the first one.
        ([outcome({"a": "x"})], [row("a", "unreachable", "refused.")], "a does not answer: refused."),
        (
            [outcome({"a": "x"}, a=False), outcome(a=True)],
            [row("a")],
            "a serves the declared adapters again, after a repair.",
        ),
        ([outcome(a=False)], [row("a", "drifted", "line\n2\x1b")], r"a does not serve what is declared: line\n2\x1b."),
    ],
)
def test_sentence_of_a_run(outcomes: list[Outcome], rows: list[dict], said: str) -> None:
    sites = last_run.site_runs(outcomes, rows)
    assert last_run.sentence(sites.values(), None) == said
    assert last_run.sentence(sites.values(), 7) == f"{said[:-1]} (bundle 7)."


def test_the_last_results_are_kept(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert last_run.read_last(layout) is None
    run = {"ok": True, "ended_at": "2026-11-28T12:00:00Z", "message": "m"}
    for _run in range(12):
        last_run.write_run(layout, run, 3)
    assert {file.name for file in layout.results.iterdir()} == {
        "last.json",
        "run-10.json",
        "run-11.json",
        "run-12.json",
    }
    assert last_run.read_last(layout)["number"] == 12
    (layout.results / "last.json").write_text("{")
    with pytest.raises(VllmError, match="cannot be read"):
        last_run.read_last(layout)


def test_keys_are_read_from_the_directory_of_systemd(tmp_path: Path) -> None:
    (tmp_path / "EDGE_KEY").write_text("sk-1\n")
    (tmp_path / "not-a-name").write_text("sk-2")
    assert program.credentials_in(str(tmp_path)) == {"EDGE_KEY": "sk-1"}
    assert program.credentials_in(None) == {}
    (tmp_path / "BINARY").write_bytes(b"sk-3\xff")
    with pytest.raises(VllmError, match="credential BINARY") as raised:
        program.credentials_in(str(tmp_path))
    assert "sk-3" not in str(raised.value)


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Site:
    """A site whose playbooks see what a test says: for each run, the verdicts of the servers."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, *runs: dict[str, str]) -> None:
        self.layout = Layout(directory)
        self.layout.inventory.parent.mkdir()
        self.layout.inventory.write_text("vllm:\n")
        self.clock = Clock()
        self.asked: list[list[str]] = []
        self._runs = iter(runs)
        monkeypatch.setattr(program.Playbooks, "converge", self._converge)

    def _converge(self, _variables: Any, only: list[str]) -> tuple[Outcome, dict]:
        self.asked.append(list(only))
        verdicts = next(self._runs)
        offline = frozenset(name for name, verdict in verdicts.items() if verdict == "came back")
        rows = [row(name, "drifted" if name in offline else verdict) for name, verdict in verdicts.items()]
        return Outcome(0, {}, {}, "", offline), {"sites": rows}

    def run(self, wait: float) -> int:
        return program.Agent(self.layout, self.clock.sleep, lambda: self.clock.now).run(wait, 5)

    @property
    def message(self) -> str:
        return last_run.read_last(self.layout)["message"]


def test_a_run_waits_for_servers_that_do_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    away = {"b": "unreachable"}
    back = {"b": "came back"}
    site = Site(tmp_path, monkeypatch, {"a": "in_sync", **away}, away, back, {"b": "in_sync"})
    assert site.run(600) == 0
    # The server that answers is not asked again, and pauses grow.
    assert site.asked == [[], ["b"], ["b"], ["b"]]
    assert site.clock.slept == [5, 10, 20]
    assert site.message == "a serves the declared adapters; b serves the declared adapters."


def test_a_run_ends_although_a_server_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(tmp_path, monkeypatch, *[{"a": "unreachable"}] * 9)
    assert site.run(100) == 1
    assert sum(site.clock.slept) == 100
    assert max(site.clock.slept) <= 60
    assert site.message == "a does not answer."


def test_a_run_does_nothing_without_a_declaration_or_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site(tmp_path, monkeypatch)
    with site.layout.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert site.run(100) == 0
    assert "another run of the agent or of apply_bundle holds" in capsys.readouterr().out
    site.layout.inventory.unlink()
    assert site.run(100) == 0
    assert "nothing was done" in capsys.readouterr().out
    assert site.asked == []
    assert last_run.read_last(site.layout) is None


@pytest.mark.parametrize(
    ("raised", "code", "says"),
    [
        (VllmError("store_error", "the disk is full"), 1, "the disk is full."),
        (PermissionError(13, "Permission denied", "/x/hosts.yml"), 1, "'/x/hosts.yml' cannot be used"),
        (KeyboardInterrupt(), 130, "The run was interrupted."),
    ],
)
def test_a_run_that_breaks_off_says_why_in_a_sentence(
    raised: BaseException,
    code: int,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def converge(*_given: object) -> None:
        raise raised

    site = Site(tmp_path, monkeypatch)
    monkeypatch.setattr(program.Playbooks, "converge", converge)
    monkeypatch.setattr(sys, "argv", ["sovereign-vllm-agent", "run"])
    assert program.main(str(site.layout.directory)) == code
    assert says in capsys.readouterr().err


SETTINGS: dict[str, Any] = {
    "state": "present",
    "directory": "/var/lib/sovereign_vllm",
    "unit_directory": "/etc/systemd/system",
    "wheels": "wheels",
    "collection": "c.tar.gz",
    "credentials": {"EDGE_KEY": "/etc/keys/edge"},
    "interval": 900,
    "jitter": 60,
    "keep": 30,
}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"interval": 0}, "agent_interval is 0"),
        ({"keep": 0}, "agent_keep is 0"),
        ({"jitter": 900}, "agent_jitter is 900"),
        ({"wait": -1}, "agent_wait is -1"),
        ({"wait": 900}, "less than agent_interval (900)"),
        ({"directory": "here"}, "agent_directory is 'here'"),
        ({"directory": "/var/lib/a b"}, "agent_directory is '/var/lib/a b'"),
        ({"directory": "/var/../etc"}, "agent_directory"),
        ({"unit_directory": "/etc/%n"}, "agent_unit_directory"),
        ({"credentials": {"A B": "/key"}}, "agent_credentials names 'A B'"),
        ({"credentials": {"A": "key"}}, "agent_credentials.A is 'key'"),
        ({"credentials": {"A": "/key:x\nExecStart=/bin/sh"}}, "agent_credentials.A"),
        ({"wheels": None}, "agent_wheels is not set"),
        ({"collection": ""}, "agent_collection is not set"),
    ],
)
def test_settings_that_are_refused(wrong: dict, words: str) -> None:
    check_settings(SETTINGS)
    check_settings({**SETTINGS, "state": "absent", "wheels": None})
    with pytest.raises(VllmError) as raised:
        check_settings({**SETTINGS, **wrong})
    assert words in str(raised.value)


def test_carried_files_are_checked_before_they_are_sent(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    other, own = tarball(tmp_path / "other.tar.gz", "other"), tarball(tmp_path / "own.tar.gz", "vllm")
    for name in ("Ansible_Core-2.21.5-py3-none-any.whl", "requests-2-py3-none-any.whl"):
        with pytest.raises(VllmError, match="has no wheel of"):
            carried_files(str(wheels), str(own))
        (wheels / name).touch()
    for wrong in (other, wheels, tmp_path / "missing"):
        with pytest.raises(VllmError, match="is not the tarball of"):
            carried_files(str(wheels), str(wrong))
    # A directory can hold the collections that this one needs, too.
    assert carried_files(str(wheels), str(tmp_path))[-2:] == [other, own]
    assert os.path.basename(carried_files(str(wheels), str(own))[-1]) == "own.tar.gz"


def test_links_to_wheels_are_sent_as_files(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("a wheel")
    (tmp_path / "a.whl").symlink_to("real")
    packed([tmp_path / "a.whl"], str(tmp_path / "sent.tar"))
    with tarfile.open(tmp_path / "sent.tar") as stream:
        content = stream.extractfile("a.whl")
        assert stream.getmember("a.whl").isfile() and content and content.read() == b"a wheel"
