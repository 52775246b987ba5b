# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A limit on the whole of a call. Time-outs of sockets are none: they start anew with every byte that trickles in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


class DeadlinePassed(Exception):
    """The call was given up."""


def call_within(seconds: float, call: Callable[[], _T]) -> _T:
    """Return what ``call`` returns, or raise what it raises.

    A call that takes longer is left to its own time-outs in a daemon thread: nothing can stop a blocked name look-up.

    :raises DeadlinePassed: when it takes longer than ``seconds``.
    """
    outcome: list = []

    def run() -> None:
        try:
            outcome.append((call(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise DeadlinePassed()
    result, error = outcome[0]
    if error is not None:
        raise error
    return result
