# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference of playbooks and variables names every variable, with the type, default and level that the code has."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.sovereign.vllm.plugins.module_utils._converge.converge import CONVERGE_OPTIONS
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.operation import SERVER_OPTIONS
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.connection import HOST_OPTIONS
from ansible_collections.sovereign.vllm.plugins.plugin_utils._inventory.host_variables import NAMES

from tests.support.guide import Guide, shell

PROJECT = Path(__file__).resolve().parents[2]
PLAYBOOKS = {file.stem: file for file in (PROJECT / "playbooks").glob("*.yml")}
OPTIONS = {**SERVER_OPTIONS, "load_timeout": CONVERGE_OPTIONS["load_timeout"]}
#: Prefixes of the variables of users.
VARIABLE = re.compile(r"\b(?:lora|drift_report|drift_audit|adopt|declaration|bundle|agent)_[a-z_]+\b")
#: The names that actions look up in Python.
READ_BY_ACTIONS = {
    name
    for folder in ("action", "plugin_utils")
    for file in (PROJECT / "plugins" / folder).rglob("*.py")
    for name in re.findall(rf"[\"']({VARIABLE.pattern})[\"']", file.read_text(encoding="utf-8"))
}
_TABLE = re.compile(r"\.\. csv-table::\n((?: +:.*\n)*)\n?((?: {3}.*\n)*)")
_HEADING = re.compile(r"^(.+)\n([-^])\2+\n", re.MULTILINE)
Row = dict[str, str]


def _tables() -> dict[str, list[Row]]:
    """The rows of the table under each heading, by the names of its columns. A variable is without its markup."""
    parts = _HEADING.split(Guide("reference_guide").text)[1:]
    return {title: _rows(text) for title, text in zip(parts[::3], parts[2::3], strict=True)}


def _rows(text: str) -> list[Row]:
    found = _TABLE.search(text)
    if not found:
        return []
    columns = re.search(r":header: (.*)", found[1])[1].split(", ")
    lines = csv.reader((line.strip() for line in found[2].splitlines() if line.strip()), skipinitialspace=True)
    rows = [dict(zip(columns, (_plain(cell) for cell in line), strict=True)) for line in lines]
    return [{**row, "Variable": row["Variable"].rpartition(":")[2].strip("`")} for row in rows]


def _plain(cell: str) -> str:
    """A cell that is one literal, without its markup."""
    return re.sub(r"^``([^`]*)``$", r"\1", cell)


TABLES = _tables()


def _of(title: str) -> dict[str, Row]:
    rows = {row["Variable"]: row for row in TABLES[title]}
    assert len(rows) == len(TABLES[title]), "a variable occurs twice"
    return rows


def _shown(default: Any) -> str:
    if default is None:
        return ""
    return yaml.safe_dump(default, default_flow_style=True).removesuffix("...\n").strip()


def _assert_as_specified(rows: dict[str, Row], specs: dict[str, dict[str, Any]]) -> None:
    assert rows.keys() == specs.keys()
    shown = {name: (row["Type"], row["Default"]) for name, row in rows.items()}
    assert shown == {name: (spec.get("type", "str"), _shown(spec.get("default"))) for name, spec in specs.items()}
    for name, row in rows.items():
        for choice in specs[name].get("choices", []):
            assert f"``{choice}``" in row["Meaning"] or "drift_" in name, (name, choice)


def test_connection() -> None:
    rows = _of("Connection: ``vllm_*``")
    _assert_as_specified(rows, {f"vllm_{name}": OPTIONS[name] for name in HOST_OPTIONS})
    for name, row in rows.items():
        assert row["Option"] == f":ansopt:`sovereign.vllm.vllm_lora_adapters#module:{name.removeprefix('vllm_')}`"


def test_observation() -> None:
    connection = {f"vllm_{name}" for name in HOST_OPTIONS}
    assert set(_of("Observation: ``vllm_*``")) == {name for name in NAMES if name not in connection}


@pytest.mark.parametrize(
    ("title", "role"),
    [
        ("Declaration: ``lora_*``", "lora"),
        ("Report: ``drift_report_*``", "drift_report"),
        ("Guard: ``guard_*``", "guard"),
        ("Agent: ``agent_*``", "agent"),
    ],
)
def test_variables_of_roles(title: str, role: str) -> None:
    specs = yaml.safe_load((PROJECT / "roles" / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    _assert_as_specified(_of(title), specs["main"]["options"])
    links = re.findall(r":ansopt:`sovereign\.vllm\.(\w+)#role:main:(\w+)`", Guide("reference_guide").text)
    assert {name for of_role, name in links if of_role == role} >= set(_of(title))
    # Variables of other entry points are among those of `main`.
    assert set().union(*(spec.get("options", {}) for spec in specs.values())) == set(_of(title))


def _values(node: Any, key: str | None = None) -> Iterator[tuple[str | None, Any]]:
    """Every scalar of a file, with the key that it has."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield "", name
            yield from _values(value, str(name))
    elif isinstance(node, list):
        for value in node:
            yield from _values(value, key)
    else:
        yield key, node


def _set_by(file: Path) -> set[str]:
    """The variables that tasks set themselves."""
    text = file.read_text(encoding="utf-8")
    names = set(re.findall(r"^ *([a-z_]+):", text, re.MULTILINE))
    return names | set(re.findall(r"(?:register|loop_var|key): ([a-z_]+)", text))


def _internal() -> set[str]:
    """What the files of playbooks and roles set for one another."""
    files = [*(PROJECT / "playbooks").rglob("*.yml"), *(PROJECT / "roles").glob("*/tasks/*.yml")]
    files += (PROJECT / "roles").glob("*/vars/*.yml")
    return set().union(*map(_set_by, files))


def test_every_playbook_has_its_section() -> None:
    titles = re.findall(r"^(\w+)\n\^+$", Guide("reference_guide").text, re.MULTILINE)
    assert sorted(titles) == sorted(PLAYBOOKS)


def test_every_switch_that_actions_read_is_shown() -> None:
    shown = {row["Variable"] for rows in TABLES.values() for row in rows}
    assert {name for name in READ_BY_ACTIONS if name.startswith("drift_audit_")} <= shown


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_variables_of_playbooks(name: str) -> None:
    rows, text = _of(name), PLAYBOOKS[name].read_text(encoding="utf-8")
    used, only_extra = set(), set()
    for key, value in _values(yaml.safe_load(text)):
        found = set(VARIABLE.findall(str(value)))
        used |= found
        # Ansible reads these before the variables of a host.
        only_extra |= found if key in {"hosts", "serial", "play_variables"} else set()
    of_roles = set(_of("Declaration: ``lora_*``")) | set(_of("Report: ``drift_report_*``"))
    groups = set(re.findall(r"groups\.(\w+)", text)) | set(re.findall(r"'(\w+)' in groups", text))
    assert used - of_roles - groups - _internal() <= rows.keys()
    assert rows.keys() <= used | READ_BY_ACTIONS
    assert {row["Level"] for row in rows.values()} <= {"-e", "any"}
    assert {variable for variable, row in rows.items() if row["Level"] == "-e"} == only_extra & rows.keys()


def test_the_command_shown(tmp_path: Path) -> None:
    with Guide("reference_guide") as guide:
        command = guide.take("ansible-playbook")
    (tmp_path / "inventory").mkdir()
    shell(f"{command.strip()} --syntax-check", tmp_path)
