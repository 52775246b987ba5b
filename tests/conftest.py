# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make `ansible_collections.sovereign.vllm` importable from a clone that lies anywhere, and what several suites need."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


def _link_project_into_a_collection_tree() -> Path:
    """Return a directory for ANSIBLE_COLLECTIONS_PATH in which `sovereign.vllm` is this clone."""
    root = Path(tempfile.mkdtemp(prefix="sovereign-vllm-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    namespace = root / "ansible_collections" / "sovereign"
    namespace.mkdir(parents=True)
    (namespace / "vllm").symlink_to(PROJECT)
    return root


def _install_collection_loader() -> None:
    # Somebody else's loader (ansible-test) already knows the collection.
    if importlib.util.find_spec("ansible_collections") is not None:
        return
    from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

    # tools/session_steps.py names the installed tarball here, so that playbooks run what users get.
    root = os.environ.get("SOVEREIGN_VLLM_COLLECTIONS_PATH") or str(_link_project_into_a_collection_tree())
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = root
    _AnsibleCollectionFinder(paths=[root])._install()


_install_collection_loader()
# Subprocesses take ansible-playbook from the environment that runs pytest, also when nobody activated it.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Adapters that nobody changes, good ones and such that vLLM refuses: see tests/stand_in/adapters.py."""
    from tests.stand_in import write_examples  # here, for the unit tests run on Pythons that it does not know

    return write_examples(tmp_path_factory.mktemp("examples"))
