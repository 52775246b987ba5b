# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: python -m tools.demo --help"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tools.demo.serve import serve
from tools.demo.servers import SERVERS, DemoServer, UnusableServer, UsersServer
from tools.demo.story import StepFailed, tell


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tools.demo", description="Declare, audit and heal adapters, step by step.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--vllm", choices=SERVERS, default="stand-in", help="server to start (default: %(default)s)")
    which.add_argument("--url", help="use this server, and restore its adapters at the end; VLLM_API_KEY has its key")
    which.add_argument("--serve", metavar="PORT", type=int, help="only run the stand-in, for the README's quickstart")
    parser.add_argument(
        "--adapters",
        metavar="DIR[,DIR...]",
        default="",
        help="with --url: directories of adapters on its node (default: the directory of an adapter that it serves)",
    )
    return parser.parse_args()


def _server(arguments: argparse.Namespace, directory: Path) -> DemoServer:
    if arguments.url:
        return UsersServer(arguments.url, list(filter(None, arguments.adapters.split(","))))
    return SERVERS[arguments.vllm](directory)


def main() -> None:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    try:
        if arguments.serve is not None:
            serve(arguments.serve)
            return
        with tempfile.TemporaryDirectory(prefix="vllm-demo-") as name, _server(arguments, Path(name)) as server:
            tell(server, Path(name))
    except (StepFailed, UnusableServer) as problem:
        sys.exit(f"\nDEMO FAILED: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
