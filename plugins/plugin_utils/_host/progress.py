# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work speaks: a line now and then while a server loads an adapter."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator

from ansible.utils.display import Display

# Seconds between two lines. Tests do not wait that long.
_INTERVAL = float(os.environ.get("_SOVEREIGN_VLLM_INTERVAL", "30"))


@contextlib.contextmanager
def speaking(site: str, activity: str, limit: str | Callable[[], str]) -> Iterator[None]:
    """Write a line to stderr every 30 seconds while this block runs, such as
    ``edge07: loading adapter 'sql' for 60 s, limit 300 s``.

    :param limit: what follows ``limit``; or a function that returns how far the work is.

    The line is not part of the output of a callback, so the output of the callback ``json`` stays valid. A worker of Ansible
    has no stderr of its own: ``Display`` sends the line to the main process.
    """
    started = time.monotonic()
    done = threading.Event()

    def speak() -> None:
        while not done.wait(_INTERVAL):
            elapsed = time.monotonic() - started
            more = f"limit {limit}" if isinstance(limit, str) else limit()
            Display().display(f"{site}: {activity} for {elapsed:.0f} s, {more}", stderr=True)

    thread = threading.Thread(target=speak, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
