# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders are the layers: arrows between them point down only. Rules name folders, never files."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.version_info < (3, 10):
    pytest.skip("Only Python 3.10 and later know the names of the standard library.", allow_module_level=True)

PROJECT = Path(__file__).parents[2]
PLUGINS = PROJECT / "plugins"
UTILS = PLUGINS / "module_utils"
EVENTS = PROJECT / "extensions" / "eda" / "plugins"
PACKAGE = "ansible_collections.sovereign.vllm.plugins."

# Each room with those that its files may import, beside their own. `errors` is the file that all may import.
BELOW = {
    "_errors": set(),
    "_adapters": {"_errors"},
    "_vllm": {"_errors", "_adapters"},
    "_http": {"_errors", "_adapters", "_vllm"},
    "_converge": {"_errors", "_adapters", "_vllm", "_http"},
    "_operations": {"_errors", "_adapters", "_vllm", "_http", "_converge"},
    # It downloads artifacts from others than vLLM.
    "_artifact": {"_errors", "_adapters", "_vllm", "_http", "_operations"},
}
# The rooms of the controller's side, in plugin_utils.
CONTROLLER = PLUGINS / "plugin_utils"
CONTROLLER_BELOW = {
    "_host": set(),
    "_inventory": {"_host"},
    "_declaration": {"_host"},
    "_site": {"_host", "_inventory", "_declaration"},
    "_report": {"_host", "_inventory", "_declaration", "_site"},
    "_rollout": {"_host"},
    "_export": {"_host", "_declaration", "_report"},
}
# Libraries of others, by room; only where Ansible's module protocol is spoken may a room know Ansible.
FOREIGN = {
    "_http": {"requests", "urllib3", "certifi"},
    "_operations": {"ansible"},
    "_artifact": {"cryptography"},
}
PURE = ("_errors", "_adapters", "_vllm")
# The world outside of the arguments: a pure room's results follow from its arguments alone.
OUTSIDE = {
    "datetime",
    "io",
    "os",
    "pathlib",
    "random",
    "shutil",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "time",
}


def files_of(room: str) -> list[Path]:
    return [UTILS / f"{room}.py"] if room == "_errors" else sorted((UTILS / room).rglob("*.py"))


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def imported(file: Path) -> Iterator[str]:
    """Yield the modules that a file imports; those of module_utils by their path in it, such as `_adapters.plan`."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            room = file.parent if node.level == 1 else file.parents[node.level - 1]
            inside = room.relative_to(UTILS).parts if room.is_relative_to(UTILS) else ()
            yield ".".join([*inside, *([node.module] if node.module else [alias.name for alias in node.names])])
        elif isinstance(node, ast.ImportFrom):
            yield (
                (node.module or "")
                .removeprefix(f"{PACKAGE}module_utils.")
                .removeprefix("sovereign_vllm.plugins.module_utils.")
            )


def roots(file: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(file)} - {"__future__"}


ROOMS = [(room, file) for room in BELOW for file in files_of(room)]


def by_file(pairs: list[tuple[str, Path]]) -> object:
    return pytest.mark.parametrize(("room", "file"), pairs, ids=[str(file.relative_to(UTILS)) for _room, file in pairs])


def test_every_file_is_in_a_room() -> None:
    assert sorted(UTILS.rglob("*.py")) == sorted(file for _room, file in ROOMS)
    assert all(files_of(room) for room in BELOW)


@by_file(ROOMS)
def test_arrows_point_down(room: str, file: Path) -> None:
    ours = {name for name in roots(file) if name.startswith("_")}
    assert ours <= {room, *BELOW[room]}
    assert roots(file) - ours <= {*sys.stdlib_module_names, *FOREIGN.get(room, ())}


CONTROLLER_FILES = sorted(CONTROLLER.rglob("*.py"))


@pytest.mark.parametrize("file", CONTROLLER_FILES, ids=[str(file.relative_to(CONTROLLER)) for file in CONTROLLER_FILES])
def test_arrows_of_the_controllers_side_point_down(file: Path) -> None:
    room = file.parent.name
    names = [
        name.removeprefix(f"{PACKAGE}plugin_utils.").split(".")[0] for name in imported(file) if "plugin_utils" in name
    ]
    assert set(names) <= {room, *CONTROLLER_BELOW[room]}


@by_file([pair for pair in ROOMS if pair[0] in PURE])
def test_pure_rooms_know_neither_clock_nor_environment(room: str, file: Path) -> None:
    assert not roots(file) & OUTSIDE
    called = {
        node.func.id for node in ast.walk(tree(file)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"open", "print", "input"}


@by_file([pair for pair in ROOMS if pair[0] == "_converge"])
def test_converging_knows_neither_statuses_nor_json(room: str, file: Path) -> None:
    nodes = list(ast.walk(tree(file)))
    numbers = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, int)}
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    assert not {number for number in numbers if 100 <= number < 600}
    assert not attributes & {"http_status", "status", "body", "json"}
    assert "json" not in roots(file)


def plugins(*kinds: str) -> object:
    files = [file for kind in kinds for file in sorted((PLUGINS / kind).rglob("*.py"))]
    return pytest.mark.parametrize("file", files, ids=[str(file.relative_to(PLUGINS)) for file in files])


@plugins("modules", "action")
def test_modules_and_actions_are_documentation_and_one_call(file: Path) -> None:
    body = [node for node in tree(file).body if not is_documentation(node)]
    assert sum(node.end_lineno - node.lineno + 1 for node in body) < 60
    if file.parent.name == "modules":
        assert {name for name in roots(file) if not name.startswith("_")} <= {"ansible"}


def is_documentation(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and node.targets[0].id in ("DOCUMENTATION", "EXAMPLES", "RETURN")


@plugins("action", "filter", "inventory", "plugin_utils")
def test_the_controllers_side_leaves_http_and_decisions_to_the_rooms(file: Path) -> None:
    assert not set(imported(file)) & {"requests", "urllib.request", "urllib3", "http.client"}
    names = {node.name for node in ast.walk(tree(file)) if isinstance(node, ast.FunctionDef)}
    assert not names & {"plan", "endpoint_of"}


@pytest.mark.parametrize("file", sorted(EVENTS.rglob("*.py")), ids=lambda file: file.stem)
def test_the_event_source_takes_the_pure_rooms_and_certificates(file: Path) -> None:
    """That it needs neither Ansible nor requests is seen in tests/eda, by what it has loaded."""
    taken = {name.split(".")[0] for name in imported(file) if name.startswith(tuple(BELOW))}
    assert taken <= {*PURE, "_http"}
    assert not roots(file) & {"ansible", "ansible_collections", "requests"}


def test_the_rooms_are_few() -> None:
    """The counts of the design: a new feature adds files to these rooms, and no room."""
    folders = {file.name for file in UTILS.iterdir() if file.is_dir() and file.name != "__pycache__"}
    assert folders == set(BELOW) - {"_errors"}
    assert {file.parent for file in CONTROLLER_FILES} == {CONTROLLER / room for room in CONTROLLER_BELOW}


SOURCES = [
    file
    for folder in ("plugins", "extensions", "tests", "tools")
    for file in (PROJECT / folder).rglob("*.py")
    if "output" not in file.relative_to(PROJECT).parts
]


def test_no_source_file_is_longer_than_300_lines() -> None:
    lines = {str(file.relative_to(PROJECT)): len(file.read_text(encoding="utf-8").splitlines()) for file in SOURCES}
    assert {file: length for file, length in lines.items() if length > 300} == {}
