# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard in front of a server: its options, checked."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from .._errors import invalid_option, quoted
from .routes import ROUTES, Route

#: Names of guards become names of variables and files.
NAME = re.compile(r"[a-z][a-z0-9_]*")
# RFC 6750. In such a key nothing has a meaning for nginx or, between \Q and \E, for a regular expression.
_KEY = re.compile(r"[A-Za-z0-9._~+/=-]+")
_FILE = re.compile(r"/[A-Za-z0-9._@+/-]+")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_SIZE = re.compile(r"0*[1-9][0-9]*[kmg]?", re.IGNORECASE)
_PATH = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# Seconds. A longer time is a slip of the pen.
_LONGEST = 24 * 3600


@dataclass(frozen=True)
class Guard:
    """One guard, as its configuration is made from it.

    :ivar listen: addresses with ports, as nginx takes them.
    :ivar upstream: host and port of the server.
    :ivar upstream_key: replaces the key of the client. None leaves it.
    """

    name: str
    listen: tuple[str, ...]
    upstream: str
    upstream_key: str | None
    user_keys: tuple[str, ...]
    admin_keys: tuple[str, ...]
    admin_networks: tuple[str, ...]
    certificate: str | None
    certificate_key: str | None
    max_body_size: str
    read_timeout: int
    routes: tuple[Route, ...]

    @property
    def probe_address(self) -> tuple[str, int]:
        """Host and port by which the node itself reaches the guard."""
        host, _colon, port = self.listen[0].rpartition(":")
        host = host.strip("[]")
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), int(port)


def guard_of(options: Mapping) -> Guard:
    """Return the guard that the options of the module describe.

    :raises VllmError: ``invalid_request``. No message repeats a key.
    """
    listen = tuple(_listening("listen", one) for one in options["listen"])
    if not listen:
        raise invalid_option("listen", "is empty", "give an address such as 0.0.0.0:8443")
    user_keys, admin_keys = (_keys(name, options[name]) for name in ("user_keys", "admin_keys"))
    if not user_keys:
        advice = "give the keys of the users, since several routes of vLLM ask for no key"
        raise invalid_option("user_keys", "is empty", advice)
    if set(user_keys) & set(admin_keys):
        raise invalid_option("admin_keys", "has a key that is in user_keys as well", "make another one for each")
    upstream_key = options["upstream_key"]
    return Guard(
        name=options["name"],
        listen=listen,
        upstream=_upstream(options["upstream"]),
        upstream_key=_keys("upstream_key", [upstream_key])[0] if upstream_key else None,
        user_keys=user_keys,
        admin_keys=admin_keys,
        admin_networks=tuple(_network(one) for one in options["admin_networks"]),
        **_certificate(options, listen),
        max_body_size=_size(options["max_body_size"]),
        read_timeout=_seconds("read_timeout", options["read_timeout"]),
        routes=(*ROUTES, *_more_routes(options["routes"])),
    )


def _keys(option: str, keys: Sequence[str]) -> tuple[str, ...]:
    if not all(_KEY.fullmatch(key) for key in keys):
        advice = "use letters, digits and - . _ ~ + / =, for example the output of openssl rand -hex 32"
        raise invalid_option(option, "has a key with characters that no bearer token can have", advice)
    if len(set(keys)) < len(keys):
        raise invalid_option(option, "has a key twice", "remove one")
    return tuple(keys)


def _address(text: str) -> tuple[str, int] | None:
    """Return the host, without brackets, and the port."""
    host, _colon, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 65536):
        return None
    if host.startswith("[") and host.endswith("]"):
        try:
            return ipaddress.IPv6Address(host[1:-1]).compressed, int(port)
        except ValueError:
            return None
    return (host, int(port)) if _HOST.fullmatch(host) else None


def _listening(option: str, text: str) -> str:
    found = _address(text)
    try:
        address = ipaddress.ip_address(found[0] if found else "")
    except ValueError:
        raise invalid_option(
            option, f"has {quoted(text)}", "give an address and a port, such as 0.0.0.0:8443"
        ) from None
    return _written(address.compressed, found[1] if found else 0)


def _written(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _upstream(url: str) -> str:
    advice = "write it like http://127.0.0.1:8000"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise invalid_option("upstream", "is not a URL", advice) from None
    host = parts.hostname or ""
    found = _address(_written(host, port or 80))
    if (
        parts.scheme != "http"
        or found is None
        or url.rstrip("/")
        not in (
            f"http://{parts.netloc}",
            f"http://{parts.netloc}/v1",
        )
    ):
        # Not repeated, since it can hold a password.
        raise invalid_option("upstream", "is not the http address of a server", advice)
    if "@" in parts.netloc:
        raise invalid_option("upstream", "has a user or password in it", "give the key in option upstream_key instead")
    return _written(*found)


def _network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        advice = "give addresses such as 10.1.2.3 or networks such as 10.1.2.0/24"
        raise invalid_option("admin_networks", f"has {quoted(text)}", advice) from None
    if not network.prefixlen:
        advice = "name the networks of the administrators"
        raise invalid_option("admin_networks", f"has {quoted(text)}, which is every address", advice)
    return str(network)


def _certificate(options: Mapping, listen: Sequence[str]) -> dict:
    certificate, key = options["certificate"], options["certificate_key"]
    for option, path in (("certificate", certificate), ("certificate_key", key)):
        if path is not None and not _FILE.fullmatch(path):
            advice = "give an absolute path without blanks and quotes"
            raise invalid_option(option, f"is {quoted(path)}", advice)
    if bool(certificate) != bool(key):
        raise invalid_option("certificate", "and certificate_key belong together", "give both or none")
    # Not is_loopback_host: 0.0.0.0 leads a client to its own machine, and a server to every network.
    remote = [one for one in listen if not ipaddress.ip_address(one.rpartition(":")[0].strip("[]")).is_loopback]
    if not certificate and remote and not options["plain_http"]:
        problem = f"is not given, so keys would cross the network unencrypted at {remote[0]}"
        raise invalid_option("certificate", problem, "give certificate and certificate_key, or set plain_http")
    return {"certificate": certificate, "certificate_key": key}


def _size(text: str) -> str:
    if not _SIZE.fullmatch(text):
        raise invalid_option("max_body_size", f"is {quoted(text)}", "give a size of at least one byte, such as 32m")
    return text.lower()


def _seconds(option: str, seconds: int) -> int:
    if not 0 < seconds <= _LONGEST:
        raise invalid_option(option, "must be more than 0 and at most a day", "give a number of seconds")
    return seconds


def _more_routes(given: Sequence[Mapping]) -> tuple[Route, ...]:
    known = {route.path for route in ROUTES}
    found = []
    for one in given:
        path, methods = one["path"], tuple(one["methods"])
        if not _PATH.fullmatch(path):
            advice = "give a path such as /v1/new, of letters, digits and - . _ between single slashes"
            raise invalid_option("routes", f"has the path {quoted(path)}", advice)
        if path in known:
            raise invalid_option("routes", f"has {quoted(path)}, which the guard knows already", "remove it")
        if not methods or not set(methods) <= set(_METHODS):
            raise invalid_option("routes", f"has no methods to pass for {quoted(path)}", f"use {', '.join(_METHODS)}")
        known.add(path)
        found.append(Route(path, one["access"], methods))
    return tuple(found)
