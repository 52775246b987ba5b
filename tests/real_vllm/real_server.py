# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a real vLLM on loopback, wait until it answers, and stop it with all of its processes."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
import urllib.request
from dataclasses import asdict, replace
from pathlib import Path

from tests.real_vllm import process, state
from tests.real_vllm.artifacts import ensure_adapters, ensure_model
from tests.real_vllm.install import install
from tests.real_vllm.layout import RealVllmError, complaints
from tests.real_vllm.options import ServerOptions
from tests.real_vllm.state import ServerState

READY_SECONDS = 600  # the first start on two cold cores took 38 s
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy has no business on loopback


class RealServer:
    """A real vLLM for the length of a `with` block.

    `RealServer(version="0.32.0", max_loras=1)`: see ServerOptions for what can be set. It installs the release if that
    was not done, and serves a tiny random model. Static paths that are relative lie below `adapters`.

    Attributes:
        url: base URL without a trailing slash.
        adapters: directory with the adapters of artifacts.py, of this server alone: tests may change and delete them.
        version, pid, log_file: of the server; `pid` leads a session that holds the engine too.

    Raises:
        RealVllmError: installing failed, or the server ended or did not get ready (with what its log complains of).
    """

    def __init__(self, *, port: int = 0, api_key: str | None = None, **options) -> None:
        self.options = ServerOptions(**options)
        self._port = port
        self._api_key = api_key
        self._recorded: ServerState | None = None

    def __enter__(self) -> RealServer:
        self.start()
        return self

    def __exit__(self, *_exception) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers. After `stop` or `kill` the port and the adapters stay the same."""
        install(self.options.version)
        ensure_model(self.options.version)
        popen = self._spawn()
        try:
            _wait_until_ready(self._recorded, self._api_key, popen)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it as `systemctl stop` would; nothing happens if it is gone already."""
        process.stop(self._recorded.process)
        state.forget(self._recorded.port)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        process.kill(self._recorded.process)
        state.forget(self._recorded.port)

    @property
    def url(self) -> str:
        return self._recorded.url

    @property
    def adapters(self) -> Path:
        return Path(self._recorded.adapters)

    @property
    def version(self) -> str:
        return self._recorded.version

    @property
    def pid(self) -> int:
        return self._recorded.pid

    @property
    def log_file(self) -> Path:
        return Path(self._recorded.log_file)

    @property
    def recorded(self) -> ServerState:
        return self._recorded

    def _spawn(self) -> subprocess.Popen:
        with state.start_lock():
            state.sweep()
            port = state.claim_port(self._port)
            directory = state.run_directory(port)
            adapters = directory / "adapters"
            if self._recorded is None:
                ensure_adapters(adapters)
            self._port = port
            log_file = directory / "server.log"
            options = replace(
                self.options, static={name: str(adapters / path) for name, path in self.options.static.items()}
            )
            popen = process.spawn(options.command(port), options.process_environment(self._api_key), log_file)
            self._recorded = ServerState(
                port=port,
                pid=popen.pid,
                started=process.identify(popen.pid).started,
                version=options.version,
                adapters=str(adapters),
                log_file=str(log_file),
                has_key=bool(self._api_key),
                options=asdict(self.options),
            )
            state.remember(self._recorded)
        return popen


def find_running(options: ServerOptions, api_key: str | None) -> ServerState | None:
    """A live recorded server with equal options that answers to this key; its adapters are made whole again."""
    wanted = json.loads(json.dumps(asdict(options)))  # as it reads in a state file: lists for tuples
    for candidate in state.running():
        if candidate.options == wanted and candidate.has_key == bool(api_key) and is_ready(candidate.url, api_key):
            ensure_adapters(Path(candidate.adapters))
            return candidate
    return None


def is_ready(url: str, api_key: str | None) -> bool:
    """Whether the server reports health and lists its models to this key."""
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        for path in ("/health", "/v1/models"):
            DIRECT.open(urllib.request.Request(url + path, headers=headers), timeout=5).close()
    except (OSError, http.client.HTTPException):  # OSError: URLError, HTTPError and timeouts alike
        return False
    return True


def _wait_until_ready(server: ServerState, api_key: str | None, popen: subprocess.Popen) -> None:
    deadline = time.monotonic() + READY_SECONDS
    log_file = Path(server.log_file)
    while not is_ready(server.url, api_key):
        if popen.poll() is not None:
            raise RealVllmError(
                f"vLLM {server.version} ended with status {popen.returncode} before it was ready; "
                f"its log is {log_file}:{complaints(log_file)}"
            )
        if time.monotonic() > deadline:
            raise RealVllmError(
                f"vLLM {server.version} did not answer on {server.url} within {READY_SECONDS} s; "
                f"its log is {log_file}:{complaints(log_file)}"
            )
        time.sleep(0.2)
