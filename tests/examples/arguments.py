# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold the arguments of a playbook's tasks against the documented arguments of their modules, suboptions included.

What is a template is only known when it runs: something of the right type stands in for it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader

ANSIBLE_DOC = Path(sys.executable).with_name("ansible-doc")
_SPECIMENS: dict[str, Any] = {"bool": True, "int": 1, "float": 1.0, "list": [], "dict": {}, "json": "{}", "bytes": "1"}
_OF_THE_HOST = "base_url"  # required, but as option or as variable of the host
_KEYWORDS_WITH_TASKS = ("pre_tasks", "tasks", "post_tasks", "handlers", "block", "rescue", "always")


@dataclass(frozen=True)
class Task:
    """A task whose module is not Ansible's own; `arguments` with what `module_defaults` of the play's group add."""

    name: str
    module: str
    arguments: dict[str, Any]


def tasks_of(file: Path) -> list[Task]:
    """The tasks of a playbook, or of a file with tasks."""
    return list(_tasks(DataLoader().load_from_file(str(file)), {}))


def documentation(modules: Iterable[str], environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The documented options of each module."""
    command = [ANSIBLE_DOC, "--type", "module", "--json", *modules]
    shown = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=True)
    return {module: found["doc"]["options"] for module, found in json.loads(shown.stdout).items()}


def problems(arguments: Mapping[str, Any], options: Mapping[str, Any]) -> list[str]:
    """What is wrong with these arguments: unknown, missing, of another type, or not among the choices."""
    specification = {name: _specification(option) for name, option in options.items()}
    if _OF_THE_HOST in specification:
        specification[_OF_THE_HOST].pop("required", None)
    validator = ArgumentSpecValidator(specification)
    return validator.validate(_rendered(arguments, options)).error_messages


def _tasks(entries: list[dict[str, Any]], defaults: Mapping[str, Any]) -> Iterator[Task]:
    for entry in entries:
        inherited = {**defaults, **entry.get("module_defaults", {})}
        for keyword, value in entry.items():
            if keyword in _KEYWORDS_WITH_TASKS:
                yield from _tasks(value, inherited)
            elif keyword.count(".") == 2 and not keyword.startswith("ansible.builtin."):
                collection = f"group/{keyword.rpartition('.')[0]}."
                shared = [values for group, values in inherited.items() if group.startswith(collection)]
                yield Task(entry["name"], keyword, {**(shared[0] if shared else {}), **(value or {})})


def _specification(option: Mapping[str, Any]) -> dict[str, Any]:
    specification = {
        key: option[key] for key in ("type", "elements", "required", "choices", "aliases") if key in option
    }
    if isinstance(specification.get("choices"), dict):
        specification["choices"] = list(specification["choices"])
    if "suboptions" in option:
        suboptions = option["suboptions"].items()
        specification["options"] = {name: _specification(suboption) for name, suboption in suboptions}
    return specification


def _rendered(arguments: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    by_name = {name: option for key, option in options.items() for name in (key, *option.get("aliases", []))}
    return {name: _value(value, by_name.get(name, {})) for name, value in arguments.items()}


def _value(value: Any, option: Mapping[str, Any]) -> Any:
    if isinstance(value, str) and "{{" in value:
        specimen = _SPECIMENS.get(option.get("type", "str"), "text")
        return option["choices"][0] if option.get("choices") else specimen
    if isinstance(value, Mapping) and "suboptions" in option:
        return _rendered(value, option["suboptions"])
    if isinstance(value, list):
        element = {"type": option.get("elements", "str"), **{k: option[k] for k in ("suboptions",) if k in option}}
        return [_value(item, element) for item in value]
    return value
