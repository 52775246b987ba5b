# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a request to an answer: authentication, routes, validation, and the handlers, as vLLM's HTTP server does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from . import answers, refusals
from .answers import Answer
from .artifacts import AdapterNotFound, AdapterRejected
from .completions import Completions
from .engine import EngineDead
from .metrics import Metrics
from .profiles import Profile
from .registry import Refused, Registry
from .request import Request
from .settings import Settings
from .validation import CHAT, COMPLETION, LOAD, UNLOAD, parse, parse_register


class App:
    """One vLLM server without its sockets."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self.registry = registry
        self.engine = registry.engine
        self.profile: Profile = registry.profile
        self.settings = settings
        self.metrics = Metrics(settings)
        self.completions = Completions(registry, settings, self.metrics)
        self.routes = self._routes()

    def _routes(self) -> dict[str, dict[str, Callable[[Request], Answer]]]:
        routes = {
            "/health": {"GET": self._health},
            "/version": {"GET": self._version},
            "/v1/models": {"GET": self._models},
            "/v1/completions": {"POST": self._complete},
            "/v1/chat/completions": {"POST": self._chat},
            "/metrics": {"GET": self._metrics},
        }
        if self.profile.has_ping:
            routes["/ping"] = {"GET": self._health, "POST": self._health}
        if self.settings.runtime_lora:
            routes["/v1/load_lora_adapter"] = {"POST": self._load}
            routes["/v1/unload_lora_adapter"] = {"POST": self._unload}
            if self.profile.has_adapters_route:
                routes["/adapters"] = {"POST": self._register}
                routes["/adapters/{name}"] = {"DELETE": self._unregister}
        if self.settings.dev_routes:
            routes["/reset_prefix_cache"] = {"POST": self._reset_prefix_cache}
            routes["/server_info"] = {"GET": self._server_info}
        return routes

    def is_authorized(self, request: Request) -> bool:
        """Whether the request carries a valid key, or none is needed."""
        if not self.settings.api_keys:
            return True
        scheme, _space, key = request.headers.get("authorization", "").partition(" ")
        known = "bearer" if self.profile.bearer_any_case else "Bearer"
        scheme = scheme.lower() if self.profile.bearer_any_case else scheme
        return scheme == known and key in self.settings.api_keys

    def answer(self, request: Request) -> Answer:
        """What vLLM answers. The key is asked for before the route is looked up."""
        path = unquote(urlsplit(request.path).path)
        if request.method != "OPTIONS" and path.startswith(self.profile.guarded) and not request.authorized:
            return answers.unauthorized()
        methods = self._methods(path)
        if methods is None:
            return self._no_route(request, path)
        if request.method not in methods:
            return answers.router(self.profile, 405, allow=", ".join(methods))
        try:
            return methods[request.method](request)
        except EngineDead as dead:
            return answers.error(self.profile, 500, "InternalServerError", str(dead))
        except Refused as refused:
            return refusals.by_front_end(self.profile, refused)

    def _methods(self, path: str) -> dict[str, Callable[[Request], Answer]] | None:
        if path.startswith("/adapters/") and path.count("/") == 2 and len(path) > len("/adapters/"):
            path = "/adapters/{name}"
        return self.routes.get(path)

    def _no_route(self, request: Request, path: str) -> Answer:
        other = path.rstrip("/") if path.endswith("/") else path + "/"
        if self.profile.router_bodies and path != "/" and self._methods(other) is not None:
            host = request.headers.get("host", "")
            scheme = "https" if self.settings.ssl_context else "http"
            return Answer(307, b"", {"location": f"{scheme}://{host}{other}"})
        return answers.router(self.profile, 404)

    # Handlers

    def _health(self, request: Request) -> Answer:
        return Answer(self.profile.dead_health if self.engine.dead else 200)

    def _version(self, request: Request) -> Answer:
        version = {"version": self.profile.version}
        if self.profile.errors == "rust":
            version["rust_frontend_version"] = self.profile.version
        return answers.json_answer(200, version)

    def _models(self, request: Request) -> Answer:
        registry = self.registry
        return answers.model_list(self.profile, registry.base_models, registry.adapters, self.settings.max_model_len)

    def _load(self, request: Request) -> Answer:
        fields = parse(self.profile, request, LOAD)
        if isinstance(fields, Answer):
            return fields
        name, path = fields["lora_name"], fields["lora_path"]
        done = answers.success(self.profile, f"Success: LoRA adapter '{name}' added successfully.")
        return self._try_load(name, path, fields["load_inplace"]) or done

    def _try_load(self, name: str, path: str, inplace: bool = False) -> Answer | None:
        """Load; the answer to give if the engine does not want it."""
        try:
            self.registry.load(name, path, inplace)
        except (AdapterNotFound, AdapterRejected) as refused:
            return refusals.by_engine(self.profile, name, path, refused)
        return None

    def _unload(self, request: Request) -> Answer:
        fields = parse(self.profile, request, UNLOAD)
        if isinstance(fields, Answer):
            return fields
        name = fields["lora_name"]
        self.registry.unload(name)
        return answers.success(self.profile, f"Success: LoRA adapter '{name}' removed successfully.")

    def _register(self, request: Request) -> Answer:
        """SageMaker's alias of load, which drops load_inplace."""
        fields = parse_register(self.profile, request)
        if isinstance(fields, Answer):
            return fields
        name = fields["name"]
        return self._try_load(name, fields["src"]) or Answer(200, f"Adapter {name} registered".encode())

    def _unregister(self, request: Request) -> Answer:
        name = unquote(urlsplit(request.path).path).removeprefix("/adapters/")
        self.registry.unload(name)
        return Answer(200, f"Adapter {name} unregistered".encode())

    def _reset_prefix_cache(self, request: Request) -> Answer:
        self.engine.reset_prefix_cache()
        return answers.json_answer(200, {"success": True})

    def _server_info(self, request: Request) -> Answer:
        return answers.json_answer(200, {"vllm_config": "model=tiny", "vllm_env": {}, "system_env": {}})

    def _metrics(self, request: Request) -> Answer:
        return self.metrics.answer()

    def _complete(self, request: Request) -> Answer:
        return self._generate(request, COMPLETION, self.completions.complete)

    def _chat(self, request: Request) -> Answer:
        return self._generate(request, CHAT, self.completions.chat)

    def _generate(
        self, request: Request, model: dict[str, tuple[type, Any]], generate: Callable[[dict[str, Any]], Answer]
    ) -> Answer:
        fields = parse(self.profile, request, model)
        if isinstance(fields, Answer):
            return fields
        try:
            answer = generate(fields)
            return answers.as_events(answer) if fields["stream"] else answer
        except EngineDead as dead:
            words = self.profile.dead_completion or str(dead)
            return answers.error(self.profile, 500, "InternalServerError", words)
