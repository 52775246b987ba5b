# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path

from tests.support.environment import clean_environment

PROJECT = Path(__file__).parents[2]
EXAMPLES = PROJECT / "examples"
FOREIGN = PROJECT / ".build" / "foreign"


def foreign_environment(directory: Path) -> dict[str, str]:
    """The environment in which Ansible finds the collections of others that the examples use, beside this one.

    directory: for Ansible's own files. `make examples` fetches the collections.
    """
    environment = clean_environment(directory)
    assert (FOREIGN / "ansible_collections").is_dir(), "Run `make examples`, which fetches the collections of others."
    path = os.pathsep.join([environment["ANSIBLE_COLLECTIONS_PATH"], str(FOREIGN)])
    return {**environment, "ANSIBLE_COLLECTIONS_PATH": path}
