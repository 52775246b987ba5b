# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What layers may know: arrows between the parts of the collection point down only."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.version_info < (3, 10):
    pytest.skip("Only Python 3.10 and later know the names of the standard library.", allow_module_level=True)

PROJECT = Path(__file__).parents[2]
UTILS = PROJECT / "plugins" / "module_utils"
PACKAGE = "ansible_collections.sovereign.vllm.plugins"

# From the bottom up: each layer with its files, and what it may import beside the layers below it.
PURE = [
    "_errors",
    "_models",
    "_values",
    "_yaml",
    "_plan",
    "_declaration",
    "_endpoint",
    "_version",
    "_answers",
    "_refusals",
    "_model_list",
    "_report",
    "_findings",
]
# Reading artifacts, which is done where the files are, knows nothing of servers.
ARTIFACTS = [
    "_artifact",
    "_artifact_config",
    "_artifact_experts",
    "_artifact_files",
    "_artifact_ranks",
    "_artifact_text",
    "_artifact_weights",
    "_safetensors",
    "_archive",
    "_archive_members",
    "_placing",
    "_staging",
    "_store",
]
CLIENT = ["_certificates", "_grpc_probe", "_requests", "_transport_errors", "_deadline", "_transport", "_client"]
APPLY = ["_steps", "_apply", "_converge"]
OPERATIONS = ["_argspec", "_operation", "_lora_adapters", "_base_models", "_server", "_smoke_test", "_runner"]
LAYERS = [
    (PURE, set(sys.stdlib_module_names)),
    (CLIENT, {*sys.stdlib_module_names, "certifi", "requests", "urllib3"}),
    (APPLY, set(sys.stdlib_module_names)),
    (OPERATIONS, {*sys.stdlib_module_names, "ansible"}),
]
# The world outside of the arguments: what is decided must follow from these alone.
OUTSIDE = {
    "os",
    "time",
    "datetime",
    "random",
    "socket",
    "pathlib",
    "subprocess",
    "threading",
    "shutil",
    "tempfile",
    "io",
}


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def imported(file: Path) -> Iterator[str]:
    """The modules that a file imports, those of the collection by their own names, such as `_plan`."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name.removeprefix(f"{PACKAGE}.module_utils.") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield from [node.module] if node.module else [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            yield node.module.removeprefix(f"{PACKAGE}.module_utils.")


def roots(file: Path) -> set[str]:
    """The packages that a file imports from outside of the collection."""
    return {name.split(".")[0] for name in imported(file) if not name.startswith(("_", PACKAGE))}


def calls(file: Path) -> set[str]:
    return {
        node.func.id for node in ast.walk(tree(file)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def util(name: str) -> Path:
    return UTILS / f"{name}.py"


def test_every_file_has_its_layer() -> None:
    known = [name for layer, _imports in LAYERS for name in layer] + ARTIFACTS
    assert sorted(file.stem for file in UTILS.glob("*.py")) == sorted(known)


@pytest.mark.parametrize("level", range(len(LAYERS)), ids=["pure", "client", "apply", "operations"])
def test_arrows_point_down(level: int) -> None:
    layer, allowed = LAYERS[level]
    below = {name for names, _imports in LAYERS[: level + 1] for name in names}
    for name in layer:
        ours = {other for other in imported(util(name)) if other.startswith("_") and other != "__future__"}
        assert ours <= below, name
        assert roots(util(name)) - {"__future__"} <= allowed, name


@pytest.mark.parametrize("name", ARTIFACTS)
def test_artifacts_know_nothing_of_servers(name: str) -> None:
    ours = {other for other in imported(util(name)) if other.startswith("_") and other != "__future__"}
    assert ours <= {*ARTIFACTS, "_errors"}
    assert roots(util(name)) <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("name", PURE)
def test_pure_layer_knows_neither_clock_nor_environment(name: str) -> None:
    assert not roots(util(name)) & OUTSIDE
    assert not calls(util(name)) & {"open", "print", "input"}


@pytest.mark.parametrize("name", APPLY)
def test_applying_knows_neither_statuses_nor_json(name: str) -> None:
    nodes = list(ast.walk(tree(util(name))))
    numbers = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, int)}
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    assert not {number for number in numbers if 100 <= number < 600}
    assert not attributes & {"http_status", "status", "body", "json"}
    assert "json" not in roots(util(name))


@pytest.mark.parametrize(
    "name",
    [*PURE, *CLIENT, *APPLY, *ARTIFACTS, "_operation", "_lora_adapters", "_base_models", "_server", "_smoke_test"],
)
def test_only_argument_spec_and_runner_know_ansible(name: str) -> None:
    assert "ansible" not in roots(util(name))


MODULES = sorted((PROJECT / "plugins" / "modules").glob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda file: file.stem)
def test_modules_are_wiring(module: Path) -> None:
    """Specification, documentation, one call: no HTTP, and fewer than 60 lines of code."""
    body = [node for node in tree(module).body if not is_documentation(node)]
    assert sum(node.end_lineno - node.lineno + 1 for node in body) < 60
    assert roots(module) <= {"__future__", "ansible"}


def is_documentation(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and node.targets[0].id in ("DOCUMENTATION", "EXAMPLES", "RETURN")


PLUGINS = [
    file
    for kind in ("action", "inventory", "filter", "plugin_utils")
    for file in (PROJECT / "plugins" / kind).glob("*.py")
]


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_plugins_leave_http_and_decisions_to_the_utils(plugin: Path) -> None:
    assert not set(imported(plugin)) & {"requests", "urllib.request", "urllib3", "http.client", "socket"}
    names = {node.name for node in ast.walk(tree(plugin)) if isinstance(node, ast.FunctionDef)}
    assert not names & {"plan", "connection_spec"}


SOURCES = [
    file
    for folder in ("plugins", "extensions", "tests", "tools")
    for file in (PROJECT / folder).rglob("*.py")
    if "output" not in file.relative_to(PROJECT).parts
]


def test_no_source_file_is_longer_than_250_lines() -> None:
    lines = {str(file.relative_to(PROJECT)): len(file.read_text(encoding="utf-8").splitlines()) for file in SOURCES}
    assert {file: length for file, length in lines.items() if length > 250} == {}
