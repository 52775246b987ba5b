# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source as ansible-rulebook loads it: one file by itself."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import ModuleType
from typing import Any

_PROJECT = Path(__file__).resolve().parents[2]
_IN_TREE = Path("ansible_collections", "sovereign", "vllm")


def collection() -> Path:
    """The collection under test: the installed one where tools/session_steps.py names it, else this clone."""
    root = os.environ.get("SOVEREIGN_VLLM_COLLECTIONS_PATH")
    return Path(root) / _IN_TREE if root else _PROJECT


def load_source() -> Callable[..., Coroutine[Any, Any, None]]:
    """Return its entry point, main(queue, args)."""
    return _source().main


def helper_of_source(name: str) -> ModuleType:
    """Return a module beside the source, as the source imports it."""
    # Without the rest of the source, which needs aiohttp.
    name_of_package = _source()._PACKAGE
    package = ModuleType(name_of_package)
    package.__path__ = [str(collection())]
    sys.modules.setdefault(name_of_package, package)
    return importlib.import_module(f"{name_of_package}.extensions.eda.plugins.module_utils.{name}")


def _source() -> ModuleType:
    # ansible-rulebook calls runpy.run_path, which takes files of collections for directories once Ansible's own loader
    # is at work, as it is in the tests.
    spec = importlib.util.spec_from_file_location(
        "drift", collection() / "extensions/eda/plugins/event_source/drift.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
