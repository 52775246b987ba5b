# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a node with an agent: the agent, a bundle that is applied and an installation exclude one another."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

from .._errors import VllmError


@contextlib.contextmanager
def node_lock(file: str) -> Iterator[int]:
    """Hold the lock, and yield its descriptor. Programs that inherit it hold the lock as well, until they end.

    :raises VllmError: ``site_busy`` if a run of the agent or of the playbook ``apply_bundle`` holds it.
    :raises OSError: if the file cannot be opened.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "rb"):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            problem = f"another run of the agent or of apply_bundle holds {file}"
            raise VllmError("site_busy", problem, "wait until it has ended, and try again") from None
        yield descriptor
