# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module that tells what can be managed on a server, and waits for it to start if asked to."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from ._argspec import connection_spec
from ._client import Client
from ._errors import VllmError, invalid_option, request_error
from ._findings import ALIAS_ROUTE, DEVELOPMENT_ROUTES, Exposure, findings
from ._grpc_probe import probe_grpc
from ._operation import Operation

# Seconds.
_PAUSE = 1.0
_SHORTEST_LOOK = 0.1


def _server(client: Client, options: Mapping, check_mode: bool) -> dict:
    port = options["grpc_port"]
    if port is not None and not 0 < port < 65536:
        raise invalid_option("grpc_port", f"is {port}, which is no port", "give the number after --grpc-port")
    if options["wait"]:
        if not options["wait_timeout"] > 0:
            raise invalid_option("wait_timeout", "must be more than 0", "give a number of seconds")
        _wait(client, options["wait_timeout"])
    healthy = client.healthy()
    client.read_list()
    version, runtime_lora = client.version(), client.runtime_lora()
    exposure = Exposure(
        version=version,
        runtime_lora=runtime_lora,
        is_static=options["declaration"] == "static",
        is_plain_beyond_loopback=client.endpoint.is_plain_beyond_loopback,
        stranger=_statuses_for_strangers(client),
        grpc_port=port,
        grpc=None if port is None else _grpc(client, port),
    )
    result = {"grpc": exposure.grpc} if exposure.grpc else {}
    return {
        **result,
        "changed": False,
        "version": version,
        "healthy": healthy,
        "runtime_lora": runtime_lora,
        "auth_required": exposure.auth_required,
        "findings": findings(exposure),
    }


def _grpc(client: Client, port: int) -> str:
    host = urlsplit(client.endpoint.base_url).hostname or ""
    return probe_grpc(host, port, client.endpoint.connect_timeout)


def _statuses_for_strangers(client: Client) -> dict[str, int | None]:
    """Return by path how whoever has neither key nor certificate is answered; None for not at all."""
    statuses: dict[str, int | None] = {}
    with client.as_stranger() as stranger:
        for path in (ALIAS_ROUTE, *DEVELOPMENT_ROUTES, "/v1/models"):
            try:
                statuses[path] = stranger.status(path)
            except VllmError:
                # With TLS 1.3 a server refuses after the handshake, which can look like any connection that is closed.
                if not client.endpoint.client_cert:
                    raise
                statuses[path] = None
    return statuses


def _wait(client: Client, seconds: float) -> None:
    """Return when the engine lives and the list names a base model: a server that starts gives neither answer.

    :raises VllmError: what stood in the way last; at once where waiting cannot help.
    """
    until = time.monotonic() + seconds
    patient = client.endpoint
    while True:
        left = max(_SHORTEST_LOOK, until - time.monotonic())
        client.endpoint = replace(patient, timeout=min(patient.timeout, left), retries=0)
        try:
            if client.healthy():
                client.read_list()
                client.endpoint = patient
                return
            error = _unhealthy(client)
        except VllmError as problem:
            error = problem
            if not error.retryable and error.code != "not_vllm":
                raise
        if time.monotonic() + _PAUSE >= until:
            error.add(f"waited {seconds:g} seconds for it")
            raise error
        time.sleep(_PAUSE)


def _unhealthy(client: Client) -> VllmError:
    came_back = "/health answers with a server error"
    return request_error("server_error", "wait for the server", client.endpoint.base_url, came_back, "read its log")


SERVER_INFO = Operation(
    dict(
        connection_spec(),
        wait={"type": "bool", "default": False},
        wait_timeout={"type": "float", "default": 300.0},
        grpc_port={"type": "int"},
        declaration={"type": "str", "choices": ["runtime", "static"], "default": "runtime"},
    ),
    _server,
)
