# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill a run at each of its writes in turn, as a power cut would."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

_EVENTS = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod")


def is_killed_at(number: int, run: Callable[[], object], below: Path) -> bool:
    """Run it in a process that is killed before it changes this directory for the nth time. Return whether it was killed."""
    child = os.fork()
    if child == 0:
        left = number

        def hook(event: str, arguments: tuple) -> None:
            nonlocal left
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if event not in _EVENTS and not writes:
                return
            path = arguments[1] if event == "os.rename" else arguments[0]
            if isinstance(path, (str, bytes, os.PathLike)) and os.fsdecode(path).startswith(str(below)):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        code = 0
        try:
            run()
        except BaseException:
            traceback.print_exc()
            code = 1
        os._exit(code)
    _pid, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)
