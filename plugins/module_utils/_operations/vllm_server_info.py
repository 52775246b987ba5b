# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module that tells what can be managed on a server, and waits for it to start if asked to."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar
from urllib.parse import urlsplit

from .._converge.converge import read_drain_timeout
from .._errors import VllmError, invalid_option, request_error
from .._http.client import Client
from .._http.grpc_probe import probe_grpc
from .._vllm.metrics import LoraState
from .._vllm.releases import OLDEST_SUPPORTED, PREFIX_CACHE_BY_NAME, parse_version
from .._vllm.routes import ALIAS_ROUTE, DEVELOPMENT_ROUTES
from .operation import SERVER_OPTIONS, ServerOperation


@dataclass(frozen=True)
class Exposure:
    """The answers of a server to requests with and without the key.

    :ivar guarded: it is reached through the collection's guard.
    :ivar loads_at_startup: its adapters are declared by ``--lora-modules``, so that nothing has to be loaded at run time.
    :ivar grpc: how the ``grpc_port`` answers (``open``, ``other`` or ``closed``); None where it was not asked.
    :ivar adapters: how many it lists.
    :ivar anonymous: by path, how a GET without key and client certificate is answered; None for not at all.
    """

    version: str | None
    runtime_lora: bool
    loads_at_startup: bool
    is_unencrypted_remote: bool
    anonymous: dict[str, int | None]
    adapters: int
    lora: LoraState
    guarded: bool = False
    grpc_port: int | None = None
    grpc: str | None = None

    @property
    def auth_required(self) -> bool:
        """True if clients without a key are refused, sent to a login page, or get no connection."""
        return self.anonymous["/v1/models"] != 200


def findings(exposure: Exposure) -> list[dict]:
    """Return ``{id, severity, message, fix}`` for all that is to be mended, the worst first."""
    found = [*_findings_of_exposure(exposure), *_findings_of_release(exposure.version, exposure.guarded)]
    found += _findings_of_capacity(exposure.adapters, exposure.lora.max_loras)
    return sorted(found, key=lambda finding: ("high", "medium").index(finding["severity"]))


def _finding(identifier: str, severity: str, message: str, fix: str) -> dict:
    return {"id": identifier, "severity": severity, "message": message, "fix": fix}


def _findings_of_exposure(exposure: Exposure) -> list[dict]:
    found = []
    if not exposure.auth_required:
        severity = "high" if exposure.runtime_lora else "medium"
        message = "Anybody who reaches the server can use it"
        message += ", and load and unload adapters." if exposure.runtime_lora else "."
        found.append(_finding("no_key", severity, message, "Start the server with --api-key or VLLM_API_KEY."))
    if exposure.anonymous[ALIAS_ROUTE] == 405 and exposure.auth_required:
        message = "The route /adapters loads and unloads adapters without the key."
        fix = "Put the role sovereign.vllm.guard in front of the server, or block /adapters and all below it in another proxy."
        found.append(_finding("adapters_alias_open", "high", message, fix))
    found += _findings_of_grpc(exposure)
    open_routes = [route for route in DEVELOPMENT_ROUTES if exposure.anonymous[route] in (200, 405)]
    if open_routes:
        message = f"Development routes answer without a key: {', '.join(open_routes)}."
        found.append(_finding("development_routes", "high", message, "Start the server without VLLM_SERVER_DEV_MODE."))
    if exposure.runtime_lora and exposure.loads_at_startup:
        message = "Adapters can be loaded and unloaded at run time, though the server gets them only when it starts."
        fix = "Start the server without VLLM_ALLOW_RUNTIME_LORA_UPDATING."
        found.append(_finding("runtime_lora_unneeded", "medium", message, fix))
    if exposure.is_unencrypted_remote:
        message = "Requests, the key among them, cross the network unencrypted."
        fix = "Put TLS in front of the server, or use --ssl-certfile and --ssl-keyfile."
        found.append(_finding("plain_http", "medium", message, fix))
    return found


def _findings_of_grpc(exposure: Exposure) -> list[dict]:
    """vLLM's gRPC service asks for no key and heeds no VLLM_ALLOW_RUNTIME_LORA_UPDATING (seen on 0.32.0 and 0.33.0)."""
    if exposure.grpc == "open":
        message = (
            f"The gRPC port {exposure.grpc_port} answers: everybody who reaches it can load and unload adapters without "
            "the key, even if loading at run time is off."
        )
        fix = "Start the server without --grpc-port, or with --host 127.0.0.1 behind the role sovereign.vllm.guard."
        return [_finding("grpc_open", "high", message, fix)]
    if exposure.grpc == "other":
        message = f"Port {exposure.grpc_port} accepts connections, but does not answer as gRPC in the clear does."
        return [_finding("grpc_unclear", "medium", message, "Find out which program listens there.")]
    return []


def _findings_of_capacity(adapters: int, slots: int | None) -> list[dict]:
    if slots is None or adapters <= slots:
        return []
    message = (
        f"The server lists {adapters} adapters, and a batch has room for {slots} of them: requests for more adapters at the "
        "same time wait for each other."
    )
    fix = "Start the server with a larger --max-loras, if its memory allows, or unload adapters that nobody uses."
    return [_finding("more_adapters_than_slots", "medium", message, fix)]


def _findings_of_release(version: str | None, guarded: bool) -> list[dict]:
    parsed = parse_version(version)
    if parsed is None:
        return []
    found = []
    if parsed < OLDEST_SUPPORTED:
        message = f"vLLM {version} cannot show which adapters it serves."
        found.append(_finding("too_old", "high", message, "Upgrade to 0.7.0 or later."))
    # The guard sets the header, and asks for the key itself.
    if parsed < (0, 22, 0) and not guarded:
        message = f"The key of vLLM {version} can be bypassed by a crafted Host header (GHSA-94f4-hr76-p5j6)."
        fix = "Upgrade to 0.22.0 or later, or put the role sovereign.vllm.guard in front of the server."
        found.append(_finding("key_bypass", "high", message, fix))
    since, until = PREFIX_CACHE_BY_NAME
    if since <= parsed < until:
        message = f"vLLM {version} keys its prefix cache by the adapter's name, so a swap can answer from old prefixes."
        fix = "Give a new artifact a new name, turn prefix caching off, or upgrade to 0.31.0 or later."
        found.append(_finding("prefix_cache_by_name", "medium", message, fix))
    return found


# Seconds.
_PAUSE = 1.0
_SHORTEST_LOOK = 0.1


def _grpc(client: Client, port: int) -> str:
    host = urlsplit(client.endpoint.base_url).hostname or ""
    return probe_grpc(host, port, client.endpoint.connect_timeout)


def _anonymous_statuses(client: Client) -> dict[str, int | None]:
    """Return by path how whoever has neither key nor certificate is answered; None for not at all."""
    statuses: dict[str, int | None] = {}
    with client.as_anonymous() as anonymous:
        for path in (ALIAS_ROUTE, *DEVELOPMENT_ROUTES, "/v1/models"):
            try:
                statuses[path] = anonymous.status(path)
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
    problem = "/health answers with a server error"
    return request_error("server_error", "wait for the server", client.endpoint.base_url, problem, "read its log")


class ServerInfo(ServerOperation):
    """Tell what can be managed on a server."""

    options: ClassVar = {
        **SERVER_OPTIONS,
        "wait": {"type": "bool", "default": False},
        "wait_timeout": {"type": "float", "default": 300.0},
        "drain": {"type": "list", "elements": "str"},
        "drain_timeout": {"type": "float", "default": 60.0},
        "grpc_port": {"type": "int"},
        "adapters_from": {"type": "str", "choices": ["runtime", "startup"], "default": "runtime"},
    }

    def ask(self, client: Client, options: Mapping, check_mode: bool) -> dict:
        """Ask for the version and the routes, with the key and without it."""
        port = options["grpc_port"]
        if port is not None and not 0 < port < 65536:
            raise invalid_option("grpc_port", f"is {port}, which is no port", "give the number after --grpc-port")
        if options["wait"]:
            if not options["wait_timeout"] > 0:
                raise invalid_option("wait_timeout", "must be more than 0", "give a number of seconds")
            _wait(client, options["wait_timeout"])
        result: dict = {}
        if options["drain"]:
            has_requests = client.drain(options["drain"], read_drain_timeout(options))
            result["drained"] = None if has_requests is None else not has_requests
        health = client.health()
        observed = client.read_list()
        version, runtime_lora = client.version(), client.runtime_lora()
        exposure = Exposure(
            version=version,
            runtime_lora=runtime_lora,
            loads_at_startup=options["adapters_from"] == "startup",
            is_unencrypted_remote=client.endpoint.is_unencrypted_remote,
            anonymous=_anonymous_statuses(client),
            adapters=len(observed.adapters_of_users),
            lora=client.lora_state(),
            guarded=health.guard is not None,
            grpc_port=port,
            grpc=None if port is None else _grpc(client, port),
        )
        if exposure.grpc:
            result["grpc"] = exposure.grpc
        return {
            **result,
            "changed": False,
            "version": version,
            "healthy": health.status < 500,
            "runtime_lora": runtime_lora,
            "lora": exposure.lora.as_dict(),
            "auth_required": exposure.auth_required,
            "guarded": exposure.guarded,
            "findings": findings(exposure),
        }
