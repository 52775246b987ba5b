# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors guide shows every code with the sentence that is really printed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.documentation.failures import FAILURES, SQL
from tests.integration.conftest import NewSite
from tests.support.guide import GUIDES, Guide
from tests.support.site import Site

GUIDE = (GUIDES / "errors_guide.rst").read_text(encoding="utf-8")
SECTION = re.compile(
    r"^``(\w+)``\n\^+\n+\.\. code-block:: text\n\n((?: {3}[^\n]+\n)+)\n(.*?)(?=^``|^[^\n]+\n-+\n|\Z)", re.M | re.S
)
SHOWN = {code: (" ".join(sentence.split()), text) for code, sentence, text in SECTION.findall(GUIDE)}


def test_every_code_is_shown() -> None:
    sources = (Path(__file__).parents[2] / "plugins" / "module_utils").glob("_*.py")
    text = "".join(source.read_text(encoding="utf-8") for source in sources)
    made = set(
        re.findall(r'(?:refusal\(\s*answer, tried, |request_error\(\s*|VllmError\(\s*|_Reason\([^)]*?, )"(\w+)"', text)
    )
    made |= set(re.findall(r'^    \("[^"]+", "(\w+)", ', text, re.MULTILINE))  # told by the server's message
    assert len(made) > 10
    assert made <= set(SHOWN)
    assert list(SHOWN) == list(FAILURES)


@pytest.mark.parametrize("code", FAILURES)
def test_the_sentence_shown_is_the_one_printed(code: str, new_site: NewSite, examples: Path) -> None:
    failure = FAILURES[code]
    settings = dict(failure.settings)
    if "static" in settings:
        settings["static"] = {name: examples / example for name, example in settings["static"].items()}
    site = new_site(**settings)
    site.artifact("sql")
    site.artifact("rank64", "rank64")
    if failure.fault:
        site.watched.faults.add(failure.fault)
    result = _converge(site, {"adapters": [SQL], **failure.options})
    sentence, explained = SHOWN[code]
    assert _as_shown(result.msg, site) == sentence
    assert result["error"]["code"] == code
    assert (result.status == "unreachable") == ("Ansible's UNREACHABLE" in explained)
    assert result["error"]["retryable"] == ("May pass by itself" in explained)


@pytest.mark.parametrize(("key", "rc"), [("sk-right", 0), ("sk-wrong", 2)])
def test_the_rescue_shown_passes_over_what_may_pass_by_itself(key: str, rc: int, new_site: NewSite) -> None:
    with Guide("errors_guide") as guide:
        tasks = guide.take("- name: Serve what is declared\n")
        for sentence, _text in SHOWN.values():
            guide.take(sentence[:20])
    site = new_site(api_key="sk-right")
    variables = {"vllm_base_url": site.watched.url, "lora_adapters_adapters": [{"name": "sql", "path": "/srv/sql"}]}
    if rc == 0:
        site.watched.kill()
    site.run(tasks, rc=rc, variables=variables, environment={"VLLM_API_KEY": key}, defaults={"retries": 0})


def _converge(site: Site, options: dict):
    options = {"base_url": "{{ url }}", "retries": 0, **options}
    run = site.run(f"- {{name: converge, sovereign.vllm.vllm_lora_adapters: {json.dumps(options)}}}", rc=None)
    return run["converge"]


def _as_shown(sentence: str, site: Site) -> str:
    """With an address and paths as in the guides."""
    places = {site.watched.url: "http://edge1:8000", str(site.artifacts): "/srv/adapters"}
    places[site.watched.url.replace("http:", "https:")] = "https://edge1:8000"
    for real, shown in places.items():
        sentence = sentence.replace(real, shown)
    return " ".join(sentence.split())
