# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests for an adapter, one after the other, while something else goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.site import Site


@contextmanager
def traffic(site: Site) -> Iterator[list[str]]:
    """Somebody asks `sql` all the time; what is answered is in the list afterwards. A request that fails is an error."""
    done = threading.Event()
    answers: list[str] = []

    def ask_all_the_time() -> None:
        while not done.is_set():
            answers.append(site.server.complete("sql"))

    asking = threading.Thread(target=ask_all_the_time)
    asking.start()
    try:
        yield answers
    finally:
        done.set()
        asking.join()
