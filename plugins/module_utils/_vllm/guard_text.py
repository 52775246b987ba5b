# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a guard as two files for nginx: the configuration, and the keys, which only root may read.

nginx decides by the normalised path. The server must not see another path, so each path is a constant in ``proxy_pass``.
"""

from __future__ import annotations

import hashlib
import re

from .answers import GUARD_HEADER
from .guard import Guard
from .routes import Route

_MANAGED = "# Written by the role sovereign.vllm.guard. Changes by hand are overwritten."
# The variable part of a path. Adapters with other names are unloaded by /v1/unload_lora_adapter.
_ID = "[A-Za-z0-9_-][A-Za-z0-9_.-]*"
# By these headers some servers take another path, method or address for the one of the request.
_REMOVED_HEADERS = (
    "Forwarded",
    "Proxy",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-HTTP-Method",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "X-Original-URI",
    "X-Original-URL",
    "X-Real-IP",
    "X-Rewrite-URL",
)
_DIGITS = 12
# By access: the status for each key and network, 0 if the request passes. All other pairs are refused.
_VERDICTS = {
    "user": {
        "user other": 0,
        "user admin": 0,
        "admin other": 0,
        "admin admin": 0,
        "none other": 401,
        "none admin": 401,
    },
    "monitoring": {"user admin": 0, "admin other": 0, "admin admin": 0, "none admin": 0, "none other": 401},
    "admin": {"user admin": 0, "admin other": 0, "admin admin": 0, "none other": 401, "none admin": 401},
}


def keys_text(guard: Guard, generation: str) -> str:
    """Return the file with the keys: a map from the header of the client to the kind of its key.

    :param generation: a random name of this set of keys. The guard sends it as well, and it says nothing of the keys.
    """
    name = f"{guard.name}_guard"
    # nginx compares plain text without regard to case, and a regular expression with regard to it.
    kinds = [
        rf'    "~^(?i:Bearer) +\Q{key}\E\z" {kind};'
        for kind, keys in (("admin", guard.admin_keys), ("user", guard.user_keys))
        for key in keys
    ]
    sent = "$http_authorization" if guard.upstream_key is None else f'"Bearer {guard.upstream_key}"'
    lines = [
        _MANAGED,
        f"map $host ${name}_generation {{",
        f"    default {generation};",
        "}",
        f"map $http_authorization ${name}_key {{",
        "    default none;",
        *kinds,
        "}",
        # A client without a key never gets the one of the server.
        f"map ${name}_key ${name}_authorization {{",
        '    default "";',
        f"    user {sent};",
        f"    admin {sent};",
        "}",
    ]
    return "\n".join(lines) + "\n"


def generation_in(keys: str) -> str | None:
    """Return the name of the set of keys in a file, or None."""
    found = re.search(r"_generation \{\n    default ([0-9a-f]+);", keys)
    return found.group(1) if found else None


def digest_of(configuration: str) -> str:
    """Return the name of a configuration, which the guard sends in ``GUARD_HEADER``."""
    return hashlib.sha256(configuration.encode("utf-8")).hexdigest()[:_DIGITS]


def configuration_text(guard: Guard, keys_path: str) -> tuple[str, str]:
    """Return the configuration, which holds no key, and its name.

    :param keys_path: of the file with the keys.
    """
    text = "\n".join(_lines(guard, keys_path)) + "\n"
    digest = digest_of(text)
    return text.replace(_PLACE, digest), digest


_PLACE = "@digest@"


def _lines(guard: Guard, keys_path: str) -> list[str]:
    name = f"{guard.name}_guard"
    return [
        _MANAGED,
        f"include {keys_path};",
        f"upstream {name} {{",
        f"    server {guard.upstream} max_fails=0;",
        "}",
        f"geo ${name}_network {{",
        "    default other;",
        *(f"    {network} admin;" for network in guard.admin_networks),
        "}",
        *_verdict_maps(name),
        # A path that is written in any other way is none of ours: no encoded byte, no empty or dotted part, no end slash.
        f"map $request_uri ${name}_plain {{",
        "    default 0;",
        rf'    "~^(?:/{_ID})+(?:\?|\z)" 1;',
        "}",
        # Nothing else is upgraded: behind an upgrade to HTTP/2, the guard would see no further request.
        f'map "$uri $http_upgrade" ${name}_upgrade {{',
        '    default "";',
        *(rf'    "~^{route.path} (?i:websocket)\z" websocket;' for route in guard.routes if route.websocket),
        "}",
        f"map ${name}_upgrade ${name}_connection {{",
        "    default close;",
        "    websocket upgrade;",
        "}",
        "server {",
        *(f"    {line}" for line in _server(guard, name)),
        "}",
    ]


def _verdict_maps(name: str) -> list[str]:
    lines = []
    for access, verdicts in _VERDICTS.items():
        lines.append(f'map "${name}_key ${name}_network" ${name}_{access} {{')
        lines.append("    default 403;")
        lines += [f'    "{pair}" {status};' for pair, status in verdicts.items()]
        lines.append("}")
    return lines


def _server(guard: Guard, name: str) -> list[str]:
    tls = " ssl" if guard.certificate else ""
    lines = [f"listen {address}{tls};" for address in guard.listen]
    if guard.certificate:
        lines += [
            f"ssl_certificate {guard.certificate};",
            f"ssl_certificate_key {guard.certificate_key};",
            "ssl_protocols TLSv1.2 TLSv1.3;",
            "ssl_session_tickets off;",
        ]
    lines += [
        "server_name _;",
        "server_tokens off;",
        "default_type application/json;",
        "merge_slashes on;",
        "ignore_invalid_headers on;",
        "underscores_in_headers off;",
        f"add_header {GUARD_HEADER} {_PLACE}-${name}_generation always;",
        f"proxy_hide_header {GUARD_HEADER};",
        f"client_max_body_size {guard.max_body_size};",
        "client_header_timeout 30s;",
        "client_body_timeout 60s;",
        "send_timeout 60s;",
        "gzip off;",
        "proxy_http_version 1.1;",
        "proxy_buffering off;",
        "proxy_cache off;",
        # The server gets complete requests with one length.
        "proxy_request_buffering on;",
        "proxy_connect_timeout 5s;",
        "proxy_send_timeout 60s;",
        f"proxy_read_timeout {guard.read_timeout}s;",
        # A request is never sent twice.
        "proxy_next_upstream off;",
        "proxy_redirect off;",
        f"proxy_set_header Host {guard.upstream};",
        f"proxy_set_header Authorization ${name}_authorization;",
        f"proxy_set_header Upgrade ${name}_upgrade;",
        f"proxy_set_header Connection ${name}_connection;",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_set_header X-Forwarded-Proto $scheme;",
        *(f'proxy_set_header {header} "";' for header in _REMOVED_HEADERS),
        *_refuse(f"${name}_plain = 0", 404),
        "location / {",
        f"    return 404 {_BODIES[404]};",
        "}",
    ]
    for route in guard.routes:
        lines += _location(route, name)
    return lines


# In the words of vLLM's own answers, as clients know them.
_BODIES = {
    401: """'{"error":"Unauthorized"}'""",
    403: """'{"error":"Forbidden"}'""",
    404: """'{"detail":"Not Found"}'""",
    405: """'{"detail":"Method Not Allowed"}'""",
}


def _refuse(condition: str, status: int) -> list[str]:
    return [f"if ({condition}) {{", f"    return {status} {_BODIES[status]};", "}"]


def _location(route: Route, name: str) -> list[str]:
    lines = []
    if route.access != "open":
        # Everything but a verdict to pass is a refusal.
        lines += _refuse(f"${name}_{route.access} = 401", 401) + _refuse(f"${name}_{route.access} != 0", 403)
    lines += _refuse(rf'$request_method !~ "^(?:{"|".join(route.methods)})\z"', 405)
    if "{id}" in route.path:
        match = f'~ "^{route.path.replace("{id}", f"(?<{name}_id>{_ID})")}\\z"'
        target = route.path.replace("{id}", f"${{{name}_id}}") + "$is_args$args"
    else:
        match, target = f"= {route.path}", route.path
    return [
        f"location {match} {{",
        *(f"    {line}" for line in lines),
        f"    proxy_pass http://{name}{target};",
        "}",
    ]
