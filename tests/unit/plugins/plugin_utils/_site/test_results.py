# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results that were carried back: whose are believed, and what a site can write into them."""

from __future__ import annotations

import copy
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

if sys.version_info < (3, 10):
    pytest.skip("These run on the controller.", allow_module_level=True)

from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.carried_results import with_results
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.drift_report import report
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.page import page
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.text import lines
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.results import read_results
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.sealed import seal

from tests.support.sealed import NODE, SERIAL, allow, artifact

HOSTILE = "{{ 7 * 7 }}<script>alert(1)</script>\x1b[31m"
ROW = {
    "name": "one",
    "verdict": "drifted",
    "version": "0.32.0",
    "plan_id": "p1",
    "server": [],
    "reason": "",
    "error": None,
    "adapters": [
        {
            "name": HOSTILE,
            "drift": "path",
            "declared": True,
            "excluded": False,
            "path": "/srv/a",
            "parent": "tiny",
            "served": {"path": "/srv/b", "parent": "tiny"},
        }
    ],
    "findings": [{"id": "exposed", "severity": "high", "message": HOSTILE, "fix": "Close it."}],
}
CONTENT = {"format": 1, "outcome": "applied", "msg": "", "artifacts": [artifact("first")[0]], "sites": [ROW]}


@pytest.fixture
def make_result(tmp_path: Path, keys: SimpleNamespace) -> Callable[..., Path]:
    def make(content: dict | None = None, serial: int = SERIAL, name: str | None = None, **given: object) -> Path:
        result = tmp_path / "back" / (name or f"result-{NODE}-{serial}")
        result.mkdir(parents=True)
        text = json.dumps(CONTENT if content is None else content).encode()
        (result / "result.json").write_bytes(text)
        head = {"kind": "result", "node": NODE, "serial": serial, "made_at": "2026-11-28T12:00:00Z", "hosts": ["one"]}
        key = given.pop("key", keys.site)
        seal(result, {**head, **given}, {"result.json": (hashlib.sha256(text).hexdigest(), len(text))}, key, "key")
        return result

    return make


@pytest.fixture
def signers(tmp_path: Path, keys: SimpleNamespace) -> str:
    allow(tmp_path / "sites", NODE, keys.site)
    allow(tmp_path / "sites", "edge2", keys.stranger)
    return str(tmp_path / "sites")


def read(place: Path, signers: str) -> tuple[dict, list[str]]:
    return read_results([str(place)], signers)


def test_the_newest_result_of_a_node_counts(make_result: Callable, signers: str, tmp_path: Path) -> None:
    newest = make_result(serial=SERIAL + 1)
    make_result()
    (tmp_path / "back" / "bundle-edge1-7").mkdir()
    for place in (tmp_path / "back", newest):
        results, problems = read(place, signers)
        assert (results[NODE].serial, results[NODE].made_at, problems) == (SERIAL + 1, "2026-11-28T12:00:00Z", [])
    for directories, file in ((["/nowhere"], signers), ([str(newest)], None)):
        with pytest.raises(VllmError, match="drift_report_result") as error:
            read_results(directories, file)
        assert error.value.code == "invalid_request"
    assert read_results([], None) == ({}, [])


FORGED = {
    "key_of_another_node": {"key": "stranger"},
    "unknown_key": {"key": "headquarters"},
    "bundle_as_result": {"kind": "bundle"},
    "another_node": {"node": "edge2"},
    "another_serial": {"serial_in_name": SERIAL + 5},
    "another_name": {"name": "result-edge2-7"},
    "made_at": {"made_at": "<b>now</b>"},
}


@pytest.mark.parametrize("case", FORGED)
def test_forged_results_are_not_used(
    case: str, make_result: Callable, signers: str, tmp_path: Path, keys: SimpleNamespace
) -> None:
    given = dict(FORGED[case])
    if "key" in given:
        given["key"] = getattr(keys, given["key"])
    if "serial_in_name" in given:
        given["name"] = f"result-{NODE}-{given.pop('serial_in_name')}"
    make_result(**given)
    results, problems = read(tmp_path / "back", signers)
    assert (results, len(problems)) == ({}, 1), problems


def mangled(path: str, value: object) -> dict:
    content = copy.deepcopy(CONTENT)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place = content
    for step in steps:
        place = place[step]
    place[last] = value
    return content


MANGLED = [
    ("format", 2),
    ("outcome", "fine"),
    ("msg", None),
    ("artifacts", ["sha256:../../x"]),
    ("sites", None),
    ("sites.0", "one"),
    ("sites.0.verdict", "splendid"),
    ("sites.0.verdict", ["in_sync"]),
    ("sites.0.version", {"a": 1}),
    ("sites.0.server", [1]),
    ("sites.0.adapters", {"a": 1}),
    ("sites.0.adapters.0.drift", "all"),
    ("sites.0.adapters.0.name", 7),
    ("sites.0.adapters.0.served", {"path": "/a"}),
    ("sites.0.adapters.0.excluded", "no"),
    ("sites.0.findings", [{"id": "x"}]),
    ("sites.0.error", {"code": 5}),
]


@pytest.mark.parametrize(("path", "value"), MANGLED)
def test_content_of_another_form_is_not_used(
    path: str, value: object, make_result: Callable, signers: str, tmp_path: Path
) -> None:
    make_result(mangled(path, value))
    results, problems = read(tmp_path / "back", signers)
    assert results == {} and "result.json" in problems[0]


def test_a_site_cannot_steer_the_report(make_result: Callable, signers: str, tmp_path: Path) -> None:
    stranger = {**ROW, "name": "two"}
    make_result({**CONTENT, "outcome": "taken_back", "msg": HOSTILE, "sites": [ROW, stranger]})
    results, _problems = read(tmp_path / "back", signers)
    assert list(results[NODE].sites) == ["one"]  # no host that the manifest does not name
    hosts = {name: {"lora_adapters": [], "ansible_host": node} for name, node in (("one", NODE), ("two", "edge9"))}
    asked = {"verdict": "unreachable", "unreachable": True, "msg": "It is off."}
    rows = [{"name": name, "result": asked, "variables": {}, "server": None, "groups": []} for name in hosts]
    told = report(with_results(rows, results, hosts, only_results=False), "2026-11-29T00:00:00Z", "live")
    one, two = (next(site for site in told["sites"] if site["name"] == name) for name in hosts)
    assert (one["verdict"], one["as_of"], one["bundle"]) == ("drifted", "2026-11-28T12:00:00Z", SERIAL)
    assert [finding["id"] for finding in one["findings"]] == ["bundle_taken_back", "exposed"]
    assert (two["verdict"], two["as_of"], two["reason"]) == ("unreachable", None, "It is off.")
    assert "<script>alert" not in page(told, "t") and 'as of <time datetime="2026-11-28T12:00:00Z"' in page(told, "t")
    assert "\x1b" not in "".join(lines(told))
    # An answer of now comes first, and without any source a site is unknown.
    fresh = [{**row, "result": {"verdict": "in_sync", "adapters": []}} for row in rows]
    assert list(with_results(fresh, results, hosts, only_results=False)) == fresh
    told = report(with_results(fresh, results, hosts, only_results=True), "2026-11-29T00:00:00Z", "results")
    two = next(site for site in told["sites"] if site["name"] == "two")
    assert two["verdict"] == "unreachable" and "unknown" in two["reason"]
