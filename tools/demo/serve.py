# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo-server`: the server of the README's quickstart, until Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

from tests.stand_in import StandIn
from tools.demo.servers import UnusableServer, write_adapters

# As the inventory of the quickstart names it.
ADAPTERS = Path("/tmp/sovereign-vllm-demo")


def serve(port: int) -> None:
    """Run a stand-in. Raises UnusableServer if the port or the directory of the adapters cannot be used."""
    try:
        written = write_adapters(ADAPTERS)
        server = StandIn(port=port).start()
    except OSError as error:
        raise UnusableServer(f"Cannot serve {ADAPTERS} on 127.0.0.1:{port}: {error}.") from None
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has its background jobs ignore Ctrl-C
    with contextlib.closing(server), contextlib.suppress(KeyboardInterrupt):
        print(f"A stand-in for vLLM listens on {server.url}. These adapters can be loaded:")
        print("".join(f"  {path}\n" for path in written.values()) + "Ctrl-C stops it.", flush=True)
        signal.pause()
