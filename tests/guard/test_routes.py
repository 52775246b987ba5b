# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which requests get through the guard: every route with every key, and everything that tries to be another route."""

from __future__ import annotations

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.routes import CLOSED_ROUTES, ROUTES, Route

from tests.stand_in import StandIn

from .guarded import ADMIN, ADMIN_ADDRESS, OTHER_ADDRESS, SERVER, USER, Guarded
from .tables import GUIDE, with_table

WHO = [(key, address) for key in (None, USER, ADMIN) for address in (OTHER_ADDRESS, ADMIN_ADDRESS)]
FOR_USERS = {route.path for route in ROUTES if route.access in ("open", "user")}
UNKNOWN = [Route(path, "closed", ("GET",)) for path in (*CLOSED_ROUTES, "/v1/unknown", "/")]


@pytest.fixture(autouse=True)
def placed(guarded: Guarded) -> None:
    assert guarded.place()["changed"]


def outcome(guarded: Guarded, server: StandIn, method: str, path: str, key: str | None, source: str) -> str:
    """Whether a request passes: the server has got it, exactly so, and with its own key."""
    server.clear_log()
    answered = guarded.ask(method, path, key, source, b"{}")
    if not server.log:
        return str(answered.status)
    (request,) = server.log
    assert (request.method, request.path) == (method, path)
    assert request.headers["host"] == f"127.0.0.1:{server.port}"
    assert request.headers.get("authorization") == (f"Bearer {SERVER}" if key else None)
    return "passes"


def test_every_route_with_every_key(guarded: Guarded, server: StandIn, request: pytest.FixtureRequest) -> None:
    seen = {}
    for route in (*ROUTES, *UNKNOWN):
        path = route.path.replace("{id}", "resp_01.a-b")
        for method in route.methods:
            results = [outcome(guarded, server, method, path, *who) for who in WHO]
            assert seen.setdefault(route.path, results) == results, method
        if route.access != "closed":
            wrong = "GET" if "GET" not in route.methods else "PUT"
            assert outcome(guarded, server, wrong, path, ADMIN, ADMIN_ADDRESS) == "405", route
    # So that the table cannot be empty, or true of everything.
    assert seen["/v1/load_lora_adapter"] == ["401", "401", "403", "passes", "passes", "passes"]
    assert seen["/adapters/{id}"] == seen["/v1/load_lora_adapter"]
    assert seen["/v1/completions"] == ["401", "401", "passes", "passes", "passes", "passes"]
    assert seen["/metrics"] == ["401", "passes", "403", "passes", "passes", "passes"]
    for path in ("/v1/models?x=/adapters&y=%2f..", "/v1/responses/resp_1?stream=true"):
        assert outcome(guarded, server, "GET", path, USER, OTHER_ADDRESS) == "passes"
    text = GUIDE.read_text(encoding="utf-8")
    told = with_table(text, seen)
    if request.config.getoption("--rewrite-guard-guide"):
        GUIDE.write_text(told, encoding="utf-8")
    assert told == text, "pytest tests/guard --rewrite-guard-guide writes the table"


TARGETS = [
    "//adapters",
    "/adapters/",
    "/./adapters",
    "/adapters/.",
    "/adapters/../v1/models",
    "/v1/models/../../adapters",
    "/v1/../adapters",
    "/health/../adapters",
    "/%61dapters",
    "/adapters%2f",
    "/adapters%00",
    "/adapters%20",
    "/%2fadapters",
    "/%2e/adapters",
    "/v1/%2e%2e/adapters",
    "/v1/models/..%2f..%2fadapters",
    "/v1/models/%2e%2e/%2e%2e/adapters",
    "/Adapters",
    "/ADAPTERS",
    "/adapters;x",
    "/adapters?x",
    "/adapters#x",
    "/adapters?/v1/models",
    "/adapters/v1/models",
    "/v1//load_lora_adapter",
    "/v1/%6coad_lora_adapter",
    "/v1/load_lora_adapter/",
    "/V1/load_lora_adapter",
    "/v1/LOAD_LORA_ADAPTER",
    "/v1/load_lora_adapter?",
    "/v1/load_lora_adapter%3f",
    "/v1/responses/../load_lora_adapter",
    "/v1/responses/..%2fload_lora_adapter",
    "/v1/responses/%2e%2e",
    "/v1/responses/x/../../load_lora_adapter",
    "/v1/responses/..",
    "/v1/models%0a",
    "/v1/models%0d%0aX:%20y",
    "/v1%5cload_lora_adapter",
    "/v1\\load_lora_adapter",
    "\\adapters",
    "/reset_prefix_cache/",
    "/server_info?x=/v1/models",
    "/%73erver_info",
    "/metrics/../metrics",
    "http://x/adapters",
    "http://x//adapters",
    "http://127.0.0.1/v1/load_lora_adapter",
    "http://x/v1/models/../load_lora_adapter",
    "http://x@y/adapters",
    "http://x?/adapters",
    "http://x:8000/%61dapters",
    "https://x/adapters",
    "adapters",
    "v1/load_lora_adapter",
    "*",
    "x:443",
    "/v1/models/../metrics",
    "/.%2e/adapters",
    "/v1/models/%252e%252e/adapters",
    "/v1/models/%c0%ae%c0%ae/adapters",
]
KEYS = [
    "",
    "user-key",
    USER + "x",
    "x" + USER,
    USER.upper(),
    USER.replace(".", "x"),
    f"{USER} {ADMIN}",
    f"{USER}, Bearer {ADMIN}",
    ".*",
    SERVER,
]
SMUGGLED = "GET /adapters HTTP/1.1\r\nHost: x\r\n\r\n"
AUTH = f"Authorization: Bearer {USER}\r\n"


def chunked(body: str) -> str:
    return f"{len(body):x}\r\n{body}\r\n0\r\n\r\n"


GO_ON = f"POST /v1/completions HTTP/1.1\r\nHost: x\r\n{AUTH}"
START = f"{GO_ON}Connection: close\r\n"
RAW = {
    "both lengths": f"{START}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "both, the other way": f"{START}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "two lengths": f"{START}Content-Length: 0\r\nContent-Length: {len(SMUGGLED)}\r\n\r\n{SMUGGLED}",
    "a strange length": f"{START}Content-Length: +0\r\n\r\n{SMUGGLED}",
    "a strange coding": f"{START}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "two codings": f"{START}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n{chunked('{}')}{SMUGGLED}",
    "a blank before the colon": f"{START}Transfer-Encoding : chunked\r\n\r\n{chunked('{}')}{SMUGGLED}",
    "a folded coding": f"{START}Transfer-Encoding:\r\n chunked\r\n\r\n{chunked('{}')}{SMUGGLED}",
    "a coding in HTTP 1.0": f"{START.replace('1.1', '1.0')}Transfer-Encoding: chunked\r\n\r\n{chunked(SMUGGLED)}",
    "in the body": f"{START}Content-Length: {len(SMUGGLED)}\r\n\r\n{SMUGGLED}",
    "in a chunk": f"{START}Transfer-Encoding: chunked\r\n\r\n{chunked(SMUGGLED)}",
    "after the body": f"{GO_ON}Content-Length: 2\r\n\r\n{{}}GET /adapters HTTP/1.1\r\nHost: x\r\n{AUTH}Connection: close\r\n\r\n",
    "two keys": f"GET /adapters HTTP/1.1\r\nConnection: close\r\nHost: x\r\n{AUTH}Authorization: Bearer {ADMIN}\r\n\r\n",
    "two keys, the other way": f"GET /adapters HTTP/1.1\r\nConnection: close\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n{AUTH}\r\n",
    "an upgrade to HTTP 2": f"{START}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    f"Content-Length: 2\r\n\r\n{{}}{SMUGGLED}",
    "HTTP 2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP 0.9": "GET /adapters\r\n",
    "a bare line feed": f"GET /v1/models HTTP/1.1\nHost: x\n{AUTH}Connection: close\n\n{SMUGGLED}",
    "a header in the target": f"GET /v1/models HTTP/1.1\r\nX: y HTTP/1.1\r\nHost: x\r\n{AUTH}Connection: close\r\n\r\n",
    "a blank in the target": f"GET /v1/models /adapters HTTP/1.1\r\nConnection: close\r\nHost: x\r\n{AUTH}\r\n",
    "two hosts": f"GET /adapters HTTP/1.1\r\nConnection: close\r\nHost: x\r\nHost: 127.0.0.1\r\n{AUTH}\r\n",
    "CONNECT": f"CONNECT 127.0.0.1:8000 HTTP/1.1\r\nConnection: close\r\nHost: x\r\n{AUTH}\r\n",
}
HEADERS = {
    "X-Original-URL": "/adapters",
    "X-Rewrite-URL": "/adapters",
    "X-HTTP-Method-Override": "DELETE",
    "X-Forwarded-Prefix": "/adapters",
    "X-Forwarded-Host": "evil",
    "X-Forwarded-For": ADMIN_ADDRESS,
    "X-Real-IP": ADMIN_ADDRESS,
    "Forwarded": f"for={ADMIN_ADDRESS}",
    "X_Forwarded_For": ADMIN_ADDRESS,
    "Upgrade": "h2c",
}


def test_no_trick_gets_through(guarded: Guarded, server: StandIn) -> None:
    for target in TARGETS:
        for method in ("GET", "POST"):
            assert guarded.ask(method, target).status not in (200, 307, 502), target
    for name, raw in RAW.items():
        assert guarded.send(raw.encode()).headers or name == "HTTP 2", name
        assert {request.path for request in server.log} <= FOR_USERS, name
    assert {request.path for request in server.log} <= FOR_USERS
    assert all(request.headers["host"] == f"127.0.0.1:{server.port}" for request in server.log)

    server.clear_log()
    for key in KEYS:
        assert guarded.ask("GET", "/v1/models", key).status == 401, key
        assert guarded.ask("GET", "/v1/load_lora_adapter", key, ADMIN_ADDRESS).status == 401, key
    for header in (f"Basic {USER}", f"Bearer{USER}", USER, f"Bearer {USER}\t"):
        assert guarded.ask("GET", "/v1/models", None, headers={"Authorization": header}).status in (200, 401)
    assert not [request for request in server.log if request.path != "/v1/models"]

    # This is how the key of releases before 0.22 is passed by: GHSA-94f4-hr76-p5j6.
    server.clear_log()
    for host in ("x/health?", "127.0.0.1/health#", "x", "", "x:80/health", "[::1]"):
        assert guarded.ask("GET", "/v1/models", None, headers={"Host": host}).status in (400, 401)
    assert not server.log
    assert guarded.ask("GET", "/v1/load_lora_adapter", headers=HEADERS).status == 403
    assert guarded.ask("GET", "/v1/models", headers=HEADERS).status == 200
    (request,) = server.log
    passed = {name.lower() for name in HEADERS} & set(request.headers)
    assert passed == {"x-forwarded-for"} and request.headers["x-forwarded-for"] == OTHER_ADDRESS
    assert (request.method, request.path) == ("GET", "/v1/models")
