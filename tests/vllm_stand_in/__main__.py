# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a stand-in until SIGTERM: python -m tests.vllm_stand_in"""

from __future__ import annotations

import argparse
import json
import os
import signal
import ssl
from pathlib import Path
from typing import Any

from .faults import Fault
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
        prog="vllm_stand_in", description="A server that answers like vLLM, without a model."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--profile", default="0.32", help=f"one of {', '.join(PROFILES)}, or any release from 0.6.1 on")
    parser.add_argument("--version", help="what /version says instead of the profile's release")
    parser.add_argument("--base-model", action="append", metavar="NAME", help="a served name; again for its aliases")
    parser.add_argument("--base-root", help="path of the base model, as the list shows it")
    parser.add_argument("--api-key-file", type=Path, metavar="FILE", help="one key per line")
    parser.add_argument("--static", action="append", type=_module, default=[], metavar="NAME=PATH")
    parser.add_argument("--resolver-dir")
    parser.add_argument("--no-runtime-lora", action="store_true", help="without the routes that load and unload")
    parser.add_argument("--no-lora", action="store_true", help="as without --enable-lora")
    parser.add_argument("--dev-routes", action="store_true")
    parser.add_argument("--max-lora-rank", type=int, default=16)
    parser.add_argument("--max-cpu-loras", type=int, default=8)
    parser.add_argument("--load-delay", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--completion-delay", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--tls-cert", metavar="FILE", help="certificate and, unless --tls-key is given, its key")
    parser.add_argument("--tls-key", metavar="FILE")
    parser.add_argument("--tls-client-ca", metavar="FILE", help="ask clients for a certificate of this authority")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="a JSON list of faults, see faults.py")
    parser.add_argument("--control", action="store_true", help="open the routes below /stand-in, see control.py")
    parser.add_argument("--log", metavar="FILE", help="one line of JSON for each request")
    parser.add_argument("--pid-file", type=Path)
    return parser


def _tls(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if not arguments.tls_cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.tls_cert, arguments.tls_key)
    if arguments.tls_client_ca:
        context.load_verify_locations(arguments.tls_client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _stand_in(arguments: argparse.Namespace) -> StandIn:
    keys = arguments.api_key_file.read_text(encoding="utf-8").split() if arguments.api_key_file else ()
    stand_in = StandIn(
        profile=arguments.profile,
        version=arguments.version,
        host=arguments.host,
        port=arguments.port,
        base_models=arguments.base_model or ["tiny"],
        base_root=arguments.base_root,
        api_key=keys,
        static=dict(arguments.static),
        resolver_dir=arguments.resolver_dir,
        runtime_lora=not arguments.no_runtime_lora,
        enable_lora=not arguments.no_lora,
        dev_routes=arguments.dev_routes,
        max_lora_rank=arguments.max_lora_rank,
        max_cpu_loras=arguments.max_cpu_loras,
        load_delay=arguments.load_delay,
        completion_delay=arguments.completion_delay,
        replicas=arguments.replicas,
        ssl_context=_tls(arguments),
        control=arguments.control,
        log_file=arguments.log,
    )
    if arguments.faults:
        stand_in.faults.add(*(Fault(**fault) for fault in json.loads(arguments.faults.read_text(encoding="utf-8"))))
    return stand_in


def main() -> None:
    parser = _parser()
    arguments = parser.parse_args()
    # Blocked in every thread, so that sigwait below is the only one to see them.
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        server = _stand_in(arguments).start()
    except (OSError, TypeError, ValueError) as error:
        parser.error(str(error))
    if arguments.pid_file:
        arguments.pid_file.write_text(f"{os.getpid()}\n", encoding="utf-8")
    print(f"listening on {server.url}", flush=True)
    signal.sigwait(signals)
    server.close()


if __name__ == "__main__":
    main()
