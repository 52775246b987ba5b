# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The history of audits: since when, what has changed, the trend; and a file that no run damages."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

if sys.version_info < (3, 10):
    pytest.skip("These run on the controller.", allow_module_level=True)

from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report import history_file
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.history import (
    Entry,
    Past,
    entries_of,
    read_entry,
    with_history,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.history_file import record
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.text import lines

from tests.support.audits import HOSTILE, audited, fleet_of

NOW = datetime.now(timezone.utc).replace(microsecond=0)


def hours_ago(hours: float) -> str:
    return (NOW - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def run(file: Path, fleet: dict, days: int = 365, most: int = 1_000_000) -> dict:
    """Add a run to the history, and return the report with it."""
    names = [site["name"] for site in fleet["sites"]]
    past, now = record(file, names, days, most, lambda past: entries_of(fleet, past))
    return {**with_history(fleet, past, now), "skipped": past.skipped}


def since(report: dict) -> dict[str, str]:
    return {site["name"]: site["since"] for site in report["sites"]}


def test_runs_tell_since_when_and_what_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "new" / "history.jsonl"
    first = run(
        file,
        fleet_of(
            audited("a"),
            audited("b", "drifted", {"sql": "path", "old": "unexpected"}),
            audited(HOSTILE, "unreachable"),
            at=hours_ago(9),
        ),
    )
    assert first["history"]["previous_run"] is None
    assert first["history"]["changes"] == [], "without a past, no site is new"
    # A run about some sites only. The others keep their place in the trend.
    run(file, fleet_of(audited("a", "unreachable"), at=hours_ago(6)))
    third = run(
        file,
        fleet_of(
            audited("a", "unreachable"),
            audited("b", "drifted", {"sql": "missing", "chat": "undeclared"}),
            audited(HOSTILE),
            audited("d"),
            at=hours_ago(3),
        ),
    )
    assert since(third) == {"a": hours_ago(6), "b": hours_ago(9), HOSTILE: hours_ago(3), "d": hours_ago(3)}
    assert third["history"]["previous_run"] == hours_ago(6)
    assert {change["site"]: change for change in third["history"]["changes"]} == {
        "b": {
            "site": "b",
            "before": "drifted",
            "after": "drifted",
            "appeared": {"sql": "missing", "chat": "undeclared"},
            "gone": {"sql": "path", "old": "unexpected"},
        },
        HOSTILE: {"site": HOSTILE, "before": "unreachable", "after": "in_sync", "appeared": {}, "gone": {}},
        "d": {"site": "d", "before": None, "after": "in_sync", "appeared": {}, "gone": {}},
    }
    counted = [(one["at"], one["in_sync"], one["drifted"], one["unreachable"]) for one in third["history"]["trend"]]
    assert counted == [(hours_ago(9), 1, 1, 1), (hours_ago(6), 0, 1, 2), (hours_ago(3), 2, 1, 1)]
    assert any(line.startswith(f"b: drifted since {hours_ago(9)}: sql is not served") for line in lines(third))
    # Names only: neither addresses nor paths nor messages.
    text = file.read_text()
    assert not any(word in text for word in ("http://a", "/srv", "refused"))
    assert [json.loads(line)["site"] for line in text.splitlines()].count("a") == 3


def test_a_result_that_was_carried_back_counts_from_its_own_time(tmp_path: Path) -> None:
    carried = audited("a", "drifted", {"sql": "path"}, as_of=(NOW - timedelta(hours=50)).isoformat())
    cached = audited("b", "drifted", {"sql": "path"}, last_seen=hours_ago(70))
    odd = audited("c", "drifted", {"sql": "path"}, last_seen="yesterday")
    found = run(tmp_path / "history", fleet_of(carried, cached, odd, at=hours_ago(1), source="inventory"))
    assert since(found) == {"a": hours_ago(50), "b": hours_ago(70), "c": hours_ago(1)}


def test_a_server_with_very_many_adapters_makes_no_long_line(tmp_path: Path) -> None:
    many = {f"adapter-{number:04}": "unexpected" for number in range(1000)}
    file = tmp_path / "history"
    run(file, fleet_of(audited("a", "drifted", many), at=hours_ago(2)))
    assert len(file.read_bytes()) < 5000
    found = run(file, fleet_of(audited("a", "drifted", dict([*many.items()][1:])), at=hours_ago(1)))
    assert found["history"]["changes"] == [], "names that were left out are not known to have come or gone"


FOREIGN = [
    b"",
    b"not JSON",
    b"[" * 100_000,
    b"\xff\xfe",
    b"{}",
    b"[1]",
    b'{"site":"a"}',
    b'{"site":"\\x","at":"2027-01-31T08:00:00Z"',
    *(
        json.dumps({**json.loads(Entry("a", hours_ago(1), "drifted", hours_ago(1), {}).as_line()), **change}).encode()
        for change in (
            {"at": "soon"},
            {"at": "2027-99-31T08:00:00Z"},
            {"since": "2027-01-31 08:00:00Z"},
            {"verdict": "fine"},
            {"drifts": {"sql": 1}},
            {"drifts": []},
            {"format": 2},
            {"more": True},
            {"site": None},
            {"owner": "somebody"},
        )
    ),
]


@pytest.mark.parametrize("line", FOREIGN)
def test_other_lines_are_no_entries(line: bytes) -> None:
    assert read_entry(line) is None


def test_damaged_and_foreign_lines_are_kept_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "history"
    foreign = b"\n".join([*FOREIGN, b'{"site":"a","at":"20'])
    file.write_bytes(foreign)
    first = run(file, fleet_of(audited("a"), at=hours_ago(2)))
    # The empty line is no line of anybody, and the last one was cut off.
    assert first["skipped"] == len(FOREIGN)
    assert first["history"]["previous_run"] is None
    second = run(file, fleet_of(audited("a"), at=hours_ago(1)))
    assert (second["skipped"], since(second)) == (len(FOREIGN), {"a": hours_ago(2)})
    # Also when the file is shortened.
    third = run(file, fleet_of(audited("a"), at=hours_ago(0)), most=1)
    assert file.read_bytes().startswith(foreign + b"\n")
    assert file.read_bytes().count(b'"format":1}') == 1 + sum(b'"format":1}' in line for line in FOREIGN)
    assert since(third) == {"a": hours_ago(2)}


def test_it_is_bounded_by_age_and_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_file, "_SHORTEST", 1)
    file = tmp_path / "history"
    file.touch(0o640)
    for hours in range(100, 0, -1):
        found = run(file, fleet_of(audited("a"), audited("b"), at=hours_ago(hours)), days=2)
    times = [json.loads(line)["at"] for line in file.read_text().splitlines()]
    assert hours_ago(54) < times[0] <= hours_ago(48), "a tenth more than two days at most"
    assert since(found) == {"a": hours_ago(100), "b": hours_ago(100)}, "the time outlives its line"
    assert len(found["history"]["trend"]) == 30

    run(file, fleet_of(audited("a"), audited("b"), at=hours_ago(0)), most=10)
    times = [json.loads(line)["at"] for line in file.read_text().splitlines()]
    assert times == [hours_ago(hours) for hours in (4, 3, 2, 1, 0) for _site in "ab"]
    run(file, fleet_of(audited("a"), at=hours_ago(0)), most=10)
    assert len(file.read_text().splitlines()) == 11, "not at every run"
    assert file.stat().st_mode & 0o777 == 0o640


def test_only_what_is_needed_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_file, "_BLOCK", 64)
    file = tmp_path / "history"
    old = [Entry("rare", hours_ago(999), "drifted", hours_ago(2000), {"sql": "path"})]
    old += [Entry("gone", hours_ago(hours), "in_sync", hours_ago(998), {}) for hours in range(998, 100, -1)]
    many = [Entry(name, hours_ago(hours), "in_sync", hours_ago(99), {}) for hours in range(99, 0, -1) for name in "ab"]
    file.write_bytes(b"".join(entry.as_line() for entry in [*old, *many]))
    read: list[bytes] = []

    def counted(line: bytes) -> Entry | None:
        read.append(line)
        return read_entry(line)

    monkeypatch.setattr(history_file, "read_entry", counted)
    monkeypatch.setattr(history_file, "_is_too_long", lambda *_arguments: False)
    run(file, fleet_of(audited("a"), audited("b"), at=hours_ago(0)))
    assert len(read) == 61, "the last 30 runs, and the line that shows their end"
    read.clear()
    found = run(file, fleet_of(audited("a"), audited("rare", "drifted", {"sql": "path"}), at=hours_ago(0)))
    assert since(found)["rare"] == hours_ago(2000)
    assert len(read) == 30 * 2 + 2, "lines of other sites are passed over"
    assert [one["drifted"] for one in found["history"]["trend"]] == [1] * 30


def test_a_failed_append_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "history"
    run(file, fleet_of(audited("a"), at=hours_ago(2)))
    before = file.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(history_file.os, "fsync", full)
    with pytest.raises(VllmError, match=r"drift_report_history is '.*history', .*\(No space left on device\)"):
        run(file, fleet_of(audited("a"), at=hours_ago(1)))
    assert file.read_bytes() == before


@pytest.mark.parametrize("made", ["directory", "pipe"])
def test_what_is_no_file_is_refused(tmp_path: Path, made: str) -> None:
    place = tmp_path / "history"
    if made == "directory":
        place.mkdir()
    else:
        history_file.os.mkfifo(place)
    with pytest.raises(VllmError, match=r"drift_report_history is '.*history'"):
        run(place, fleet_of(audited("a")))


_RUNS = 12


def _many_runs(file: Path, site: str) -> None:
    for hours in range(_RUNS, 0, -1):
        # Each run also shortens the file, so that others wait for a file that is being replaced.
        run(file, fleet_of(audited(site), at=hours_ago(hours)), most=50 + 20 * hours)


def test_parallel_runs_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_file, "_SHORTEST", 1)
    monkeypatch.setattr(history_file, "_SLACK", 0)
    file = tmp_path / "history"
    file.write_bytes(
        b"".join(Entry("gone", hours_ago(99), "in_sync", hours_ago(99), {}).as_line() for _ in range(1000))
    )
    sites = [f"edge{number}" for number in range(3)]
    # Each run opens the file for itself, so that threads lock each other out as processes do.
    with ThreadPoolExecutor(len(sites)) as pool:
        list(pool.map(_many_runs, [file] * len(sites), sites))
    entries = [entry for entry in map(read_entry, file.read_bytes().splitlines()) if entry]
    assert len(entries) == len(file.read_bytes().splitlines()) <= 70
    for site in sites:
        mine = [(entry.at, entry.since) for entry in entries if entry.site == site]
        assert mine == [(hours_ago(hours), hours_ago(_RUNS)) for hours in range(_RUNS, 0, -1)]
    assert [path.name for path in tmp_path.iterdir()] == ["history"]


def test_a_run_that_holds_the_file_too_long_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_file, "_PATIENCE", 0)
    file = tmp_path / "history"

    def other_run(_past: Past) -> list[Entry]:
        with pytest.raises(VllmError, match="another run has held drift_report_history"):
            record(file, ["a"], 1, 1, lambda _past: [])
        return []

    record(file, ["a"], 1, 1, other_run)
