# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of server.py."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from tests.real_vllm import state
from tests.real_vllm.artifacts import ensure_adapters, ensure_model
from tests.real_vllm.install import install
from tests.real_vllm.layout import DEFAULT_VERSION, RealVllmError
from tests.real_vllm.options import ServerOptions
from tests.real_vllm.process import stop
from tests.real_vllm.real_server import RealServer, find_running


def main() -> None:
    """Run one sub-command; an expected error ends with one sentence and status 1."""
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a half-started server is stopped
    try:
        arguments.run(arguments)
    except RealVllmError as error:
        sys.exit(f"error: {error}")


def _install(arguments: argparse.Namespace) -> None:
    print(install(arguments.version))


def _artifacts(arguments: argparse.Namespace) -> None:
    install(arguments.version)
    print(f"model: {ensure_model(arguments.version)}")
    if arguments.directory:
        print(f"adapters: {ensure_adapters(arguments.directory.resolve())}")


def _start(arguments: argparse.Namespace) -> None:
    chosen = {name: getattr(arguments, name) for name in ("version", "max_loras", "max_cpu_loras", "max_lora_rank")}
    chosen["served_names"] = tuple(arguments.name or ["tiny"])
    chosen["static"] = dict(arguments.static)
    api_key = os.environ.get("VLLM_API_KEY") or None
    server = find_running(ServerOptions(**chosen), api_key) if arguments.reuse else None
    if server is None:
        real = RealServer(port=arguments.port, api_key=api_key, **chosen)
        real.start()
        server = real.recorded
    _print_state(server, arguments.json)


def _stop(arguments: argparse.Namespace) -> None:
    for server in state.running():
        if server.port == arguments.port:
            stop(server.process)
            state.forget(server.port)
            print(f"stopped vLLM {server.version} on {server.url} (pid {server.pid})")
            return
    print(f"no server that `start` has started runs on port {arguments.port}")


def _status(arguments: argparse.Namespace) -> None:
    servers = state.running()
    if arguments.json:
        print(json.dumps([{"url": server.url, **asdict(server)} for server in servers], indent=2))
    for server in () if arguments.json else servers:
        print(f"vLLM {server.version} on {server.url} (pid {server.pid}), adapters in {server.adapters}")


def _print_state(server: state.ServerState, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"url": server.url, **asdict(server)}, indent=2))
        return
    print(f"export VLLM_EXTERNAL_URL={server.url} VLLM_EXTERNAL_ADAPTERS={server.adapters}")


def _named_path(text: str) -> tuple[str, str]:
    name, separator, path = text.partition("=")
    if not (name and separator and path):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PATH")
    return name, path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="server.py",
        description="Install, start and stop a real vLLM on the CPU, on loopback, with a tiny model made on the spot.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    release = argparse.ArgumentParser(add_help=False)
    release.add_argument("--version", default=DEFAULT_VERSION, help="release of vLLM (default: %(default)s)")

    def command(name: str, run, help_text: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help_text, description=help_text, parents=parents)
        added.set_defaults(run=run)
        return added

    command(
        "install", _install, "Install a release in a virtual environment of its own; at once if that was done.", release
    )
    artifacts = command("artifacts", _artifacts, "Write the tiny model, and adapters for it.", release)
    artifacts.add_argument("--directory", type=Path, help="where the adapters go")

    start = command(
        "start", _start, "Start a server and wait until it answers; its key is read from VLLM_API_KEY.", release
    )
    start.add_argument("--port", type=int, default=0, help="0 takes a free one")
    start.add_argument("--max-loras", type=int, default=ServerOptions.max_loras)
    start.add_argument("--max-cpu-loras", type=int, default=ServerOptions.max_cpu_loras)
    start.add_argument("--max-lora-rank", type=int, default=ServerOptions.max_lora_rank)
    start.add_argument("--name", action="append", help="name of the base model (repeatable; default: tiny)")
    start.add_argument(
        "--static",
        action="append",
        default=[],
        type=_named_path,
        metavar="NAME=PATH",
        help="adapter served from the start (repeatable); a relative path lies below the adapters",
    )
    start.add_argument(
        "--reuse", action="store_true", help="take a running server with the same options, if there is one"
    )
    start.add_argument("--json", action="store_true", help="print all of its state instead of shell variables")

    stopping = command("stop", _stop, "Stop a server that `start` has started.")
    stopping.add_argument("--port", type=int, required=True)
    command("status", _status, "List the running servers.").add_argument("--json", action="store_true")
    return parser
