# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a stand-in until SIGTERM: python -m tests.stand_in"""

from __future__ import annotations

import argparse
import json
import os
import signal
from pathlib import Path
from typing import Any

from .profiles import PROFILES
from .server import StandIn


def _module(text: str) -> tuple[str, Any]:
    """name=path, or the JSON object that vLLM's --lora-modules takes."""
    if text.startswith("{"):
        module = json.loads(text)
        return module["name"], module
    name, separator, path = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"not name=path: {text!r}")
    return name, path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.stand_in", description="A server that answers like vLLM, without a model."
    )
    parser.add_argument("--profile", default="0.32", help=f"one of {', '.join(PROFILES)}, or any release from 0.6.1 on")
    parser.add_argument("--static", action="append", type=_module, default=[], metavar="NAME=PATH")
    parser.add_argument("--control", action="store_true", help="open the routes below /stand-in, see control.py")
    parser.add_argument("--pid-file", type=Path)
    return parser


def main() -> None:
    parser = _parser()
    arguments = parser.parse_args()
    # Blocked in every thread, so that sigwait below is the only one to see them.
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        server = StandIn(arguments.profile, static=dict(arguments.static), control=arguments.control).start()
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if arguments.pid_file:
        arguments.pid_file.write_text(f"{os.getpid()}\n", encoding="utf-8")
    print(f"listening on {server.url}", flush=True)
    signal.sigwait(signals)
    server.close()


if __name__ == "__main__":
    main()
