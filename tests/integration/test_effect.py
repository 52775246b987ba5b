# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role asks the adapters that it serves: for tokens, for an effect, for the weights that were recorded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.stand_in import Fault
from tests.support.playbook import IN_WORKER, Run
from tests.support.site import Site, run_on_all

from .conftest import NewSite
from .lifecycle.from_the_artifact import SERVE, SMOKE

pytestmark = pytest.mark.timeout(300)
OFF = Fault("POST", "/v1/c", "answer", status=404, json={"detail": "Not Found"})
ROLE = """
- name: role
  ansible.builtin.include_role:
    name: sovereign.vllm.lora
    apply:
      check_mode: "{{ only_looks | default(false) }}"
"""
READ, RECORD = "Read the recorded fingerprints", "Record the fingerprints"


class Fleet:
    """Sites whose hosts declare one adapter by its path, and the directory of their fingerprints."""

    def __init__(self, new_site: NewSite, directory: Path) -> None:
        self._new_site = new_site
        self._directory = directory
        self._runs = 0
        self.sites: dict[str, Site] = {}
        self.hosts: dict[str, dict[str, Any]] = {}

    def add(self, name: str, example: str = "first", faults: Sequence[Fault] = (), **how: Any) -> Site:
        """`lora_*` are variables of the host, the rest are settings of its stand-in."""
        own = {key: how.pop(key) for key in list(how) if key.startswith("lora_")}
        self.hosts[name] = {**IN_WORKER, "vllm_base_url": "{{ url }}", "vllm_retries": 0, **own}
        site = self.sites[name] = self._new_site(host=self.hosts[name], **how)
        site.watched.faults.add(*faults)
        self.declare(name, "sql", example)
        return site

    def declare(self, host: str, adapter: str, example: str = "first", directory: str = "", **how: Any) -> None:
        """Declare an adapter by its path, or declare it in another way."""
        declared = self.hosts[host].setdefault("lora_adapters", [])
        declared[:] = [one for one in declared if one["name"] != adapter]
        declared.append({"name": adapter, "path": self.sites[host].artifact(directory or adapter, example), **how})

    def run(self, rc: int = 0) -> Run:
        self._runs += 1
        for site in self.sites.values():
            site.watched.clear_log()
        return run_on_all(self.sites, ROLE, self._directory / f"run{self._runs}", rc=rc)


def asked(site: Site) -> list[dict[str, Any]]:
    return [request.body for request in site.watched.log if request.path.endswith("/completions")]


def test_each_question_of_the_role(new_site: NewSite, tmp_path: Path) -> None:
    """What no rollback cures is a warning, whatever the question."""
    fleet = Fleet(new_site, tmp_path)
    none = fleet.add("none", "zero")
    answers = fleet.add("answers", "zero", lora_smoke="answers")
    good = fleet.add("good", lora_smoke="effective", lora_smoke_prompts=["SELECT", "Dear"])
    fleet.add("bad", "misnamed", lora_smoke="effective")
    fleet.add("pools", lora_smoke="effective", faults=[OFF])
    fleet.add("pools-and-answers", lora_smoke="answers", faults=[OFF])
    fleet.add("no-logprobs", "zero", lora_smoke="effective", max_logprobs=0)
    refused = {
        "yes": fleet.add("yes", lora_smoke=True),
        "no": fleet.add("no", lora_smoke=False),
        "text": fleet.add("text", lora_smoke="true"),
    }
    refused["prompts"] = fleet.add("prompts", lora_smoke="effective", lora_smoke_prompts=["a", ""])
    run = fleet.run(2)
    seen = run.of(SMOKE)
    status = {name: seen[name].status for name in fleet.hosts if name in seen}
    assert status == {
        "none": "skipped",
        "answers": "ok",
        "good": "ok",
        "bad": "failed",
        "pools": "ok",
        "pools-and-answers": "ok",
        "no-logprobs": "ok",
    }
    assert asked(none) == []
    assert [(body["model"], body["max_tokens"]) for body in asked(answers)] == [("sql", 1)]
    assert seen["bad"].code == "adapter_without_effect"
    assert {tuple(body["prompt"]) for body in asked(good)} == {("SELECT", "Dear")}
    assert {len(seen[name].warnings) for name in ("pools", "pools-and-answers", "no-logprobs")} == {1}
    failures = {result.host: result.msg for result in run.results if result.status == "failed"}
    for name, site in refused.items():
        words = (
            "Option prompts must have 1 to 64"
            if name == "prompts"
            else "lora_smoke must be one of: none, answers, effective"
        )
        assert words in failures[name]
        assert site.watched.log == []


def test_fingerprints_of_the_role(new_site: NewSite, tmp_path: Path) -> None:
    directory = tmp_path / "fingerprints"
    fleet = Fleet(new_site, tmp_path)
    for name in ("changes", "overwritten", "upgraded", "looks"):
        fleet.add(name, lora_fingerprints=str(directory), noise=0.005)
    for name in ("moved", "reloaded", "gone"):
        fleet.declare("changes", name)
    fleet.hosts["looks"]["only_looks"] = True
    first = fleet.run()
    assert {name: result.changed for name, result in first.of(RECORD).items()} == {
        **dict.fromkeys(fleet.hosts, True),
        "looks": False,
    }
    before = {file.stem: file.read_text() for file in directory.iterdir()}
    assert sorted(before) == ["changes", "overwritten", "upgraded"]
    told = json.loads(before["changes"])
    assert list(told) == ["gone", "moved", "reloaded", "sql"]
    assert (told["sql"]["path"], told["sql"]["version"]) == (str(fleet.sites["changes"].artifacts / "sql"), "0.32.0")
    # One line for each number, so that a diff can be read.
    assert len(before["upgraded"].splitlines()) > 40

    for name in ("overwritten", "upgraded"):
        path = fleet.sites[name].artifact("sql", "second")
        fleet.sites[name].server.unload("sql")
        fleet.sites[name].server.load("sql", path)
    fleet.sites["upgraded"].watched.faults.add(Fault("GET", "/version", "answer", json={"version": "0.33.0"}))
    fleet.declare("changes", "reloaded", "second", state="reloaded")
    fleet.declare("changes", "moved", "second", "new")
    fleet.declare("changes", "gone", state="absent")
    fleet.hosts["looks"]["only_looks"] = False
    (directory / "looks.json").write_text("{}}")

    second = fleet.run(2)
    after = {file.stem: file.read_text() for file in directory.iterdir()}
    assert second.of(SMOKE)["overwritten"].code == "other_weights"
    assert after["overwritten"] == before["overwritten"]
    assert (second.of(SMOKE)["upgraded"].status, json.loads(after["upgraded"])["sql"]["version"]) == ("ok", "0.33.0")
    tells = json.loads(after["changes"])
    assert list(tells) == ["moved", "reloaded", "sql"]
    assert tells["sql"] == told["sql"], "noise is no change"
    for name in ("moved", "reloaded"):
        assert tells[name]["logprobs"] != told[name]["logprobs"]
    # These are the weights that were wanted, and no rollback would empty the cache.
    (warning,) = second.of(SMOKE)["changes"].warnings
    assert "answers of 'reloaded'" in warning and "prefix cache is stale" in warning
    assert "looks.json' has no usable fingerprints; restore the file, or remove it" in second.of(READ)["looks"].msg
    assert fleet.sites["looks"].watched.log == []
    assert SERVE not in {result.task for result in second.results if result.host == "looks"}
