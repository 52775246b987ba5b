# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors guide shows every code with the sentence that is really printed."""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path

import pytest

from tests.documentation.failures import FAILURES, SQL, Failure
from tests.integration.conftest import NewSite
from tests.support.guide import GUIDES, Guide
from tests.support.playbook import IN_WORKER
from tests.support.site import Site, run_on_all

GUIDE = (GUIDES / "errors_guide.rst").read_text(encoding="utf-8")
SECTION = re.compile(
    r"^``(\w+)``\n\^+\n+\.\. code-block:: text\n\n((?: {3}[^\n]+\n)+)\n(.*?)(?=^``|^[^\n]+\n-+\n|\Z)", re.M | re.S
)
SHOWN = {code: (" ".join(sentence.split()), text) for code, sentence, text in SECTION.findall(GUIDE)}
CONVERGE = """
- name: converge
  sovereign.vllm.vllm_lora_adapters:
  args: "{{ options }}"
  when: not (stages or asks or guards or applies)
- name: stage
  sovereign.vllm.vllm_lora_artifact:
  args: "{{ options }}"
  when: stages
- name: ask
  sovereign.vllm.vllm_smoke_test:
  args: "{{ options }}"
  when: asks
- name: guard
  sovereign.vllm.vllm_guard:
  args: "{{ options }}"
  when: guards
- name: apply
  sovereign.vllm.vllm_apply_bundle:
  args: "{{ options }}"
  when: applies
"""


def test_every_code_is_shown() -> None:
    sources = (Path(__file__).parents[2] / "plugins" / "module_utils").rglob("*.py")
    text = "".join(source.read_text(encoding="utf-8") for source in sources)
    made = set(
        re.findall(
            r'(?:refusal\(\s*answer, attempt, |request_error\(\s*|VllmError\(\s*|\bReason\([^)]*?,\s+)"(\w+)"', text
        )
    )
    made |= set(re.findall(r'^    \("[^"]+", "(\w+)", ', text, re.MULTILINE))  # told by the server's message
    assert len(made) > 10
    assert made <= set(SHOWN)
    assert list(SHOWN) == list(FAILURES)


def test_the_sentences_shown_are_the_ones_printed(new_site: NewSite, examples: Path, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    bare.chmod(0o755)
    sites = {code: _failing(failure, new_site, examples, bare) for code, failure in FAILURES.items()}
    run = run_on_all(sites, CONVERGE, tmp_path / "run", rc=None, options=["--forks", str(len(sites))])
    printed = {
        code: (
            result["error"]["code"],
            _as_shown(result.msg, sites[code]),
            result.status == "unreachable",
            result["error"]["retryable"],
        )
        for code, result in {
            **run.of("converge"),
            **run.of("stage"),
            **run.of("ask"),
            **run.of("guard"),
            **run.of("apply"),
        }.items()
    }
    assert printed == {
        code: (code, sentence, "Ansible's UNREACHABLE" in explained, "May pass by itself" in explained)
        for code, (sentence, explained) in SHOWN.items()
    }


@pytest.mark.parametrize(("key", "rc"), [("sk-right", 0), ("sk-wrong", 2)])
def test_the_rescue_shown_passes_over_what_may_pass_by_itself(key: str, rc: int, new_site: NewSite) -> None:
    with Guide("errors_guide") as guide:
        tasks = guide.take("- name: Serve the declared adapters\n")
        for sentence, _text in SHOWN.values():
            guide.take(sentence[:20])
    site = new_site(api_key="sk-right")
    variables = {"vllm_base_url": site.watched.url, "lora_adapters": [{"name": "sql", "path": "/srv/sql"}]}
    if rc == 0:
        site.watched.kill()
    site.run(tasks, rc=rc, variables=variables, environment={"VLLM_API_KEY": key}, defaults={"retries": 0})


def _failing(failure: Failure, new_site: NewSite, examples: Path, without_requests: Path) -> Site:
    settings = dict(failure.settings)
    if "static" in settings:
        settings["static"] = {name: examples / example for name, example in settings["static"].items()}
    options = {"retries": 0, "adapters": [SQL]}
    if failure.stages or failure.asks or failure.guards or failure.applies:
        del options["adapters"]
    if failure.stages or failure.guards or failure.applies:
        del options["retries"]
    options.update(failure.options)
    host = {
        **IN_WORKER,
        "options": options,
        "stages": failure.stages,
        "asks": failure.asks,
        "guards": failure.guards,
        "applies": failure.applies,
    }
    if failure.without_requests:
        host["ansible_python_interpreter"] = str(without_requests)
    site = new_site(host=host, **settings)
    (site.artifacts / "file").parent.mkdir(parents=True, exist_ok=True)
    (site.artifacts / "file").touch()
    site.artifact("sql")
    if failure.prepare:
        failure.prepare(site)
    site.artifact("rank64", "rank64")
    if failure.fault:
        site.watched.faults.add(failure.fault)
    return site


def _as_shown(sentence: str, site: Site) -> str:
    """With an address and paths as in the guides."""
    places = {site.watched.url: "http://edge1:8000", str(site.artifacts): "/srv/adapters"}
    places[site.watched.url.replace("http:", "https:")] = "https://edge1:8000"
    places |= {sys.executable: "/usr/bin/python3", f" on {platform.node()}: ": " on edge1: "}
    for real, shown in places.items():
        sentence = sentence.replace(real, shown)
    # The identity of a plan has the address, which differs from run to run.
    return " ".join(re.sub("sha256:[0-9a-f]{64}", "sha256:PLAN", sentence).split())
