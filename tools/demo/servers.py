# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server of the demo: a stand-in, a real vLLM on the CPU, or the user's own."""

from __future__ import annotations

import os
import socket
from abc import ABC, abstractmethod
from pathlib import Path

from tests.real_vllm import RealServer, RealVllmError
from tests.stand_in import StandIn, write_adapter
from tools.demo import http


class UnusableServer(Exception):
    """One sentence: the reason why the demo cannot use this server, and what to do."""


class DemoServer(ABC):
    """A context manager. url: of the server; adapters: the declared ones, name to directory on the node."""

    url: str
    adapters: dict[str, str]
    what: str  # one line on what this server is
    is_ours = True  # so that it may be stopped
    answers_for_real = True  # generates tokens with a model

    def __enter__(self) -> DemoServer:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None:
        """Make it answer. Raises UnusableServer."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it; nothing happens when it is stopped already."""

    def writes(self) -> int | None:
        """Requests so far that asked for a change of the adapters, where the server keeps count."""
        return None


def write_adapters(directory: Path) -> dict[str, str]:
    """Write the two adapters of the demo, for the model size of the stand-in and of the CPU server."""
    return {name: str(write_adapter(directory / name, seed=seed)) for seed, name in enumerate(("sql", "summaries"))}


class StandInServer(DemoServer):
    what = "a stand-in that answers like vLLM 0.32, without a model"
    answers_for_real = False

    def __init__(self, directory: Path) -> None:
        self._server = StandIn()
        self.adapters = write_adapters(directory / "adapters")

    def start(self) -> None:
        _reach_loopback_directly()
        self._server.start()
        self.url = self._server.url

    def stop(self) -> None:
        self._server.kill()

    def writes(self) -> int | None:
        return len([write for write in self._server.writes if "lora" in write.path])


class CpuServer(DemoServer):
    what = "a real vLLM on the CPU, with a tiny random model"

    def __init__(self, directory: Path) -> None:
        self._server = RealServer(api_key=os.environ.get("VLLM_API_KEY"))
        self._is_running = False
        self.adapters = write_adapters(directory / "adapters")

    def start(self) -> None:
        _reach_loopback_directly()
        print("Starting a real vLLM. The first run also installs it, which takes minutes ...", flush=True)
        try:
            self._server.start()
        except RealVllmError as error:
            raise UnusableServer(str(error)) from None
        self._is_running = True
        self.url = self._server.url
        self.what = f"a real vLLM {self._server.version} on the CPU, with a tiny random model"

    def stop(self) -> None:
        if self._is_running:
            self._is_running = False
            self._server.stop()


class UsersServer(DemoServer):
    """A server in use: the demo adds its own names to it, and removes them at the end."""

    is_ours = False

    def __init__(self, url: str, directories: list[str]) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        self.what = f"your server at {self.url}"
        self._directories = directories

    def start(self) -> None:
        try:
            self._found = http.served(self.url)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UnusableServer(f"{self.url}/v1/models gave no list of models ({error}).") from None
        directories = self._directories or list(self._found.values())[:1]
        if not directories:
            raise UnusableServer(
                "This server has no adapter yet: name one on its node by VLLM_ADAPTERS=/its/directory."
            )
        self.adapters = {f"sovereign-demo-{number}": path for number, path in enumerate(directories, start=1)}
        taken = sorted(set(self.adapters) & set(self._found))
        if taken:
            raise UnusableServer(
                f"This server serves {', '.join(taken)} already. Unload the adapters of the earlier demo."
            )

    def stop(self) -> None:
        """Restore the adapters, even if a step failed. Raises UnusableServer if the server does not answer."""
        try:
            for name in set(http.served(self.url)) & set(self.adapters):
                http.call(self.url + "/v1/unload_lora_adapter", {"lora_name": name})
        except (OSError, ValueError, KeyError, TypeError) as error:
            names = ", ".join(self.adapters)
            raise UnusableServer(
                f"{self.url} may still serve {names} ({error}): unload them when the server is back."
            ) from None


SERVERS = {"stand-in": StandInServer, "cpu": CpuServer}


def _reach_loopback_directly() -> None:
    """Send requests to loopback without a proxy, from this process and from Ansible."""
    others = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(filter(None, ["127.0.0.1", others]))


def url_where_nothing_listens() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
