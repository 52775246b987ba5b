# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variables the tasks of roles and playbooks may read, and that the specifications of roles say what the code does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import (
    ADAPTER_OPTIONS,
    ARTIFACT_OPTIONS,
)

PROJECT = Path(__file__).parents[2]
ROLES = sorted(path.name for path in (PROJECT / "roles").iterdir())
FILES = [
    file
    for folder in ("roles", "playbooks", "extensions", "examples")
    for file in sorted((PROJECT / folder).rglob("*.yml"))
]


class AnyTag(yaml.SafeLoader):
    """Takes Ansible's own tags for what they are put before."""


AnyTag.add_multi_constructor("!", lambda loader, _tag, node: loader.construct_scalar(node))


def options(role: str) -> dict[str, dict]:
    spec = yaml.safe_load((PROJECT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    return spec["argument_specs"]["main"]["options"]


def mappings(node: Any) -> Iterator[dict]:
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from mappings(child)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PROJECT)))
def test_loops_leave_the_variable_of_a_callers_loop_alone(file: Path) -> None:
    folder = file.relative_to(PROJECT).parts
    prefix = f"{folder[1]}_" if folder[0] == "roles" else ""
    for document in yaml.load_all(file.read_text(encoding="utf-8"), Loader=AnyTag):
        for task in mappings(document):
            if any(key == "loop" or key.startswith("with_") for key in task):
                assert task["loop_control"]["loop_var"] != "item", task
                assert task["loop_control"]["loop_var"].startswith(prefix), task


def test_no_file_is_read_only_to_look_for_it() -> None:
    """By default, the module prints a checksum of the file, which can hold a key."""
    looks = [
        task["ansible.builtin.stat"]
        for file in FILES
        if file.relative_to(PROJECT).parts[0] in ("roles", "playbooks")
        for document in yaml.load_all(file.read_text(encoding="utf-8"), Loader=AnyTag)
        for task in mappings(document)
        if "ansible.builtin.stat" in task
    ]
    assert looks and not [look for look in looks if look.get("get_checksum") is not False]


@pytest.mark.parametrize("role", ROLES)
def test_tasks_read_typed_settings_alone(role: str) -> None:
    folder, spec = PROJECT / "roles" / role, options(role)
    known = {name[len(role) + 1 :] for name in spec}
    for file in [
        *folder.glob("tasks/*"),
        *folder.glob("templates/*"),
        *folder.glob("vars/*"),
        *folder.glob("handlers/*"),
    ]:
        # But for the name of a variable that is looked up in other hosts, or handed to the action.
        text = re.sub(
            r"hostvars\[\w+\](?!\.lora_store)[.\w]*|'\w+' in hostvars|^ +\w+: \[.*\]$",
            "",
            file.read_text(),
            flags=re.MULTILINE,
        )
        expressions = "\n".join(
            re.findall(r"\{\{.*?\}\}|(?:when|that|until|failed_when|changed_when):.*", text, re.DOTALL)
        )
        read = set(re.findall(r"(?<![.\w'^])\w+", expressions))
        assert not read & set(spec), file
        assert set(re.findall(rf"{role}_settings\.(\w+)", text)) <= known, file


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_those_of_the_specification(role: str) -> None:
    defaults = yaml.safe_load((PROJECT / "roles" / role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    plain = {name: value for name, value in defaults.items() if "{{" not in str(value)}
    assert plain == {name: spec["default"] for name, spec in options(role).items() if "default" in spec}


def test_adapters_of_the_role_are_what_the_reader_reads() -> None:
    documented = options("lora")["lora_adapters"]["options"]
    kept = ("type", "required", "default", "choices")
    read = {**ADAPTER_OPTIONS, **ARTIFACT_OPTIONS}
    assert {name: {key: spec[key] for key in kept if key in spec} for name, spec in documented.items()} == {
        name: {key: spec[key] for key in kept if key in spec} for name, spec in read.items()
    }


def test_settings_are_no_methods_of_dictionaries() -> None:
    names = {name[len(role) + 1 :] for role in ROLES for name in options(role)}
    assert not names & set(dir(dict))
