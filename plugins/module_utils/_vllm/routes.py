# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP routes of vLLM's API server up to 0.33.0, of both front-ends, and who needs each of them."""

from __future__ import annotations

from dataclasses import dataclass

#: Who may use a route through the guard. ``open``: everybody. ``user``: everybody with a key. ``monitoring``: an admin key, or
#: an admin network without a key. ``admin``: an admin key, or a user key from an admin network.
ACCESS = ("open", "user", "monitoring", "admin")

#: The alias of the load and unload routes for one cloud's hosting toolkit (0.11.1 and later): outside the key's guard.
ALIAS_ROUTE = "/adapters"
#: Served with VLLM_SERVER_DEV_MODE=1 only (0.7 and later), outside the key's guard. Both take only POST, or only tell.
DEVELOPMENT_ROUTES = ("/reset_prefix_cache", "/server_info")


@dataclass(frozen=True)
class Route:
    """One route.

    :ivar path: can have one variable part, ``{id}``.
    :ivar access: one of ``ACCESS``.
    :ivar methods: other methods are answered 405.
    :ivar websocket: whether the connection becomes a WebSocket.
    """

    path: str
    access: str
    methods: tuple[str, ...] = ("POST",)
    websocket: bool = False


def _routes(access: str, methods: tuple[str, ...], paths: str) -> tuple[Route, ...]:
    return tuple(Route(path, access, methods) for path in paths.split())


_READ, _WRITE = ("GET",), ("POST",)
# The collection asks the load route with GET whether it exists.
_ANY = ("GET", "POST", "DELETE")

ROUTES: tuple[Route, ...] = (
    *_routes("open", _READ, "/health"),
    Route("/ping", "open", ("GET", "POST")),
    *_routes("user", _READ, "/version /v1/models /v1/responses/{id}"),
    *_routes(
        "user",
        _WRITE,
        """
        /v1/completions /v1/completions/render /v1/completions/derender
        /v1/chat/completions /v1/chat/completions/batch /v1/chat/completions/render /v1/chat/completions/derender
        /v1/responses /v1/responses/render /v1/responses/{id}/cancel
        /v1/messages /v1/messages/count_tokens /v1/messages/render
        /v1/decisions /v1/systemone /generative_scoring /inference/v1/generate
        /v1/embeddings /v2/embed /pooling /classify /score /v1/score /rerank /v1/rerank /v2/rerank
        /v1/audio/transcriptions /v1/audio/translations
        /cohere/v2/chat /cohere/v2/chat/render /invocations /tokenize /detokenize
        """,
    ),
    Route("/v1/realtime", "user", _READ, websocket=True),
    *_routes("monitoring", _READ, "/metrics /load /kv_event_sources"),
    *_routes(
        "admin",
        _ANY,
        f"""
        /v1/load_lora_adapter /v1/unload_lora_adapter {ALIAS_ROUTE} {ALIAS_ROUTE}/{{id}}
        {" ".join(DEVELOPMENT_ROUTES)} /reset_mm_cache /reset_encoder_cache /collective_rpc
        /sleep /wake_up /is_sleeping /release_kv_cache_memory
        /pause /resume /is_paused /abort_requests /inference/v1/abort_requests
        /init_weight_transfer_engine /shutdown_weight_transfer_engine /start_weight_update /start_draft_weight_update
        /update_weights /finish_weight_update /update_weight_version /weight_info /weight_checker /get_world_size
        /start_profile /stop_profile /scale_elastic_ep /is_scaling_elastic_ep
        /fault_tolerance/apply /fault_tolerance/status /tokenizer_info
        """,
    ),
)

#: Pages about the server for developers. Nobody needs them through a guard, so it knows none of them.
CLOSED_ROUTES = ("/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json", "/static")
