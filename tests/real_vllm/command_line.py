# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of server.py."""

from __future__ import annotations

import argparse
import os
import signal
import sys

from tests.real_vllm import state
from tests.real_vllm.artifacts import ensure_model
from tests.real_vllm.install import install
from tests.real_vllm.layout import DEFAULT_VERSION, NEWEST_VERSION, RealVllmError
from tests.real_vllm.process import stop
from tests.real_vllm.real_server import RealServer


def main() -> None:
    """Run one sub-command; an expected error ends with one sentence and status 1."""
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a half-started server is stopped
    try:
        arguments.run(arguments)
    except RealVllmError as error:
        sys.exit(f"error: {error}")


def _artifacts(arguments: argparse.Namespace) -> None:
    for version in [arguments.version] if arguments.version else (DEFAULT_VERSION, NEWEST_VERSION):
        install(version)
        print(f"model: {ensure_model(version)}")


def _start(arguments: argparse.Namespace) -> None:
    server = RealServer(version=arguments.version, port=arguments.port, api_key=os.environ.get("VLLM_API_KEY") or None)
    server.start()
    print(f"export VLLM_EXTERNAL_URL={server.url} VLLM_EXTERNAL_ADAPTERS={server.adapters}")


def _stop(arguments: argparse.Namespace) -> None:
    for server in state.running():
        if server.port == arguments.port:
            stop(server.process)
            state.forget(server.port)
            print(f"stopped vLLM {server.version} on {server.url} (pid {server.pid})")
            return
    print(f"no server that `start` has started runs on port {arguments.port}")


def _status(_arguments: argparse.Namespace) -> None:
    for server in state.running():
        print(f"vLLM {server.version} on {server.url} (pid {server.pid}), adapters in {server.adapters}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="server.py",
        description="Install, start and stop a real vLLM on the CPU, on loopback, with a tiny model made on the spot.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run, help_text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help_text, description=help_text)
        added.set_defaults(run=run)
        return added

    artifacts = command(
        "artifacts", _artifacts, "Install a release in an environment of its own, and write its tiny model."
    )
    artifacts.add_argument("--version", help="release of vLLM (default: those that `make test` runs)")
    start = command("start", _start, "Start a server and wait until it answers; its key is read from VLLM_API_KEY.")
    start.add_argument("--version", default=DEFAULT_VERSION, help="release of vLLM (default: %(default)s)")
    start.add_argument("--port", type=int, default=0, help="0 takes a free one")
    stopping = command("stop", _stop, "Stop a server that `start` has started.")
    stopping.add_argument("--port", type=int, required=True)
    command("status", _status, "List the running servers.")
    return parser
