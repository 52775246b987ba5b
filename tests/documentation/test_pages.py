# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every guide is in the table of contents, every block that it shows is run by a test, and the site has no dead links."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from tests.support.guide import GUIDES, Guide

PROJECT = Path(__file__).parents[2]
SITE = PROJECT / ".build" / "docs" / "build" / "html"
# Their blocks are commands that run for an hour, and what came of them.
NOT_RUN = {"performance_guide", "faults_guide"}


def test_every_guide_is_in_the_table_of_contents() -> None:
    sections = yaml.safe_load((GUIDES.parent / "extra-docs.yml").read_text())["sections"]
    listed = [page for section in sections for page in section["toctree"]]
    assert sorted(listed) == sorted(page.stem for page in GUIDES.glob("*.rst"))


def test_every_guide_with_blocks_has_a_test_that_runs_them() -> None:
    tests = "".join(test.read_text(encoding="utf-8") for test in (PROJECT / "tests").rglob("test_*_guide.py"))
    run = set(re.findall(r'Guide\(\s*"(\w+)"[^)]*\) as guide', tests))
    assert run == {page.stem for page in GUIDES.glob("*.rst") if Guide(page.stem).blocks} - NOT_RUN


def test_every_reference_leads_to_a_guide() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in GUIDES.glob("*.rst"))
    text += "".join(source.read_text(encoding="utf-8") for source in (PROJECT / "plugins").rglob("*.py"))
    labels = set(re.findall(r"^\.\. _(.+):$", text, re.MULTILINE))
    referred = set(re.findall(r":ref:`[^<`]*<([^>]+)>`", text)) | set(re.findall(r"\bR\([^,)]+,([^)]+)\)", text))
    assert referred
    assert referred <= labels


def test_messages_among_the_symptoms_are_those_that_are_printed() -> None:
    # The test of the errors guide compares its messages with printed ones.
    printed = " ".join((GUIDES / "errors_guide.rst").read_text(encoding="utf-8").split())
    quoted = re.findall(r'^.*"(.+)"\n\^{4,}$', (GUIDES / "faq_guide.rst").read_text(encoding="utf-8"), re.MULTILINE)
    assert {symptom for symptom in quoted if symptom not in printed} == {
        # Ansible's and vLLM's own.
        "the playbook: sovereign.vllm.converge could not be found",
        "could not be verified by inventory plugin 'sovereign.vllm.vllm'",
        "The model ``sql`` does not exist",
        "cannot be used with api_server_count > 1",
    }
    assert len(quoted) > 10


def test_charts_have_a_ground_and_colours_of_their_own() -> None:
    charts = re.findall(r"<svg.*?</svg>", (GUIDES / "performance_guide.rst").read_text(encoding="utf-8"), re.DOTALL)
    assert charts
    for chart in charts:
        # The theme stays light if the reader prefers dark pages, and a rule of the chart would count for the whole page.
        assert re.search(r'<rect width="\d+" height="\d+" fill="#fff"/>', chart)
        rules = re.search(r"<style>(.*)</style>", chart)[1]
        assert all(rule.strip().startswith(".bar-chart ") for rule in rules.split("}")[:-1])


class Page(HTMLParser):
    def __init__(self, file: Path) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.names: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.names |= {value for value in (given.get("id"), given.get("name")) if value}
        self.targets |= {value for value in (given.get("href"), given.get("src")) if value}


@pytest.fixture(scope="module")
def site() -> dict[Path, Page]:
    pages = {file: Page(file) for file in SITE.rglob("*.html")}
    if not pages:
        pytest.skip("make docs builds the site")
    return pages


def test_the_index_has_a_title_and_leads_to_what_antsibull_docs_does_not_list(site: dict[Path, Page]) -> None:
    text = (SITE / "index.html").read_text(encoding="utf-8")
    assert "<title>sovereign.vllm: LoRA adapters on vLLM servers &mdash; sovereign.vllm</title>" in text
    targets = site[SITE / "index.html"].targets
    found = {target.rpartition("-docsite-")[2] for target in targets if "-docsite-" in target}
    assert found == {
        *(f"reference-guide-{file.stem.replace('_', '-')}" for file in (PROJECT / "playbooks").glob("*.yml")),
        *(f"event-guide-{file.stem}" for file in (PROJECT / "extensions/eda").glob("rulebooks/*.yml")),
        *(f"event-guide-{file.stem}" for file in (PROJECT / "extensions/eda").glob("plugins/event_source/*.py")),
    }


def test_no_link_of_the_site_is_dead(site: dict[Path, Page]) -> None:
    followed, dead = 0, []
    for file, page in site.items():
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            followed += 1
            there = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            is_named = there not in site or not parts.fragment or unquote(parts.fragment) in site[there].names
            if not (there.exists() and is_named):
                dead.append(f"{file.relative_to(SITE)}: {target}")
    assert followed > 100
    assert dead == []
