# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the event guide work as written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml
from ansible_rulebook.validators import Validate

from tests.support.guide import Guide, shell

from .source import collection, helper_of_source

GUIDE = collection() / "docs/docsite/rst/event_guide.rst"
NOT_RUN = {
    "pip install": "needs the network",
    "ansible-rulebook": "does not end: see test_heal.py",
    "export VLLM_DECLARATION_FILE": "is run below",
    "drift:": "is an event: see test_changes_of_state.py",
}
KEYS = {"HARBOUR_KEY": "sk-harbour"}


def example(name: str) -> str:
    """The block that begins with the name of a file."""
    return Guide("event_guide").take(f"# {name}\n")


def test_every_example_is_run():
    with Guide("event_guide", NOT_RUN) as guide:
        for name in ("declaration.yml", "rulebook.yml"):
            guide.take(f"# {name}\n")


def declared(file: Path):
    return helper_of_source("_declaration_file").read_declaration(file, KEYS)


def test_declaration(tmp_path):
    file = tmp_path / "declaration.yml"
    file.write_text(example(file.name))
    first, harbour = declared(file)
    assert (first.name, [adapter.name for adapter in first.adapters]) == ("edge1", ["sql", "summaries"])
    assert (harbour.name, [adapter.name for adapter in harbour.adapters]) == ("harbour", ["sql"])
    assert harbour.endpoint.api_key == KEYS["HARBOUR_KEY"]


def test_declaration_from_an_inventory(tmp_path):
    adapters = [{"name": "sql", "path": "/srv/adapters/sql"}]
    hosts = {
        name: {"vllm_base_url": f"http://{name}:8000", "lora_adapters": adapters}
        for name in ("edge1", "edge2", "edge3")
    }
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "sites.json").write_text(json.dumps({"vllm": {"hosts": hosts}}))
    shell(Guide("event_guide").take("export VLLM_DECLARATION_FILE"), tmp_path)
    assert {target.name: target.endpoint.base_url for target in declared(tmp_path / "declaration.yml")} == {
        name: variables["vllm_base_url"] for name, variables in hosts.items()
    }


def test_rulebook_for_a_job_template():
    Validate.rulebook(yaml.safe_load(example("rulebook.yml")))


def test_every_option_of_the_source_is_described_and_no_other():
    text = GUIDE.read_text(encoding="utf-8")
    table = text[text.index("Options of the source\n") : text.index("The events\n")]
    settings = helper_of_source("_watch").Settings
    assert set(re.findall(r"^   \* - ``(\w+)``", table, re.MULTILINE)) == set(settings.__dataclass_fields__)
    source = (collection() / "extensions/eda/plugins/event_source/drift.py").read_text(encoding="utf-8")
    (documentation,) = re.findall(r'DOCUMENTATION = r"""(.*?)"""', source, re.DOTALL)
    options = yaml.safe_load(documentation)["options"]
    for name, field in settings.__dataclass_fields__.items():
        if name != "declaration_file":
            assert options[name].get("default") == field.default, name
