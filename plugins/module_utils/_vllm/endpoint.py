# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address of a server and its connection options, checked; and the rules that choose certificates and proxy."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from urllib.parse import urlsplit

from .._errors import VllmError, invalid_option, quoted

_NOT_IN_A_URL = re.compile(r"[\x00-\x20\x7f]")
# Seconds. A longer time is a slip of the pen, and threads cannot wait much longer.
_LONGEST = 24 * 3600
_PORTS = {"http": 80, "https": 443}

#: The options that describe a server, as in an argument spec; ``env`` names the variable of the environment that an option
#: falls back to.
CONNECTION_OPTIONS: dict[str, dict] = {
    "base_url": {"type": "str", "env": "VLLM_BASE_URL"},
    "api_key": {"type": "str", "no_log": True, "env": "VLLM_API_KEY"},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "timeout": {"type": "float", "default": 30.0},
    "retries": {"type": "int", "default": 2},
    "retry_delay": {"type": "float", "default": 1.0},
    "use_proxy": {"type": "bool", "default": True},
}


@dataclass(frozen=True)
class Endpoint:
    """The connection options of one server, checked. Times are in seconds.

    :raises VllmError: ``invalid_request`` when an option cannot be used.
    """

    base_url: str
    api_key: str | None = field(default=None, repr=False)
    validate_certs: bool = True
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    timeout: float = 30.0
    load_timeout: float = 300.0
    retries: int = 2
    retry_delay: float = 1.0
    use_proxy: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", _checked_url(self.base_url))
        if self.api_key and not (self.api_key.isascii() and self.api_key.isprintable() and " " not in self.api_key):
            raise invalid_option(
                "api_key", "has characters that no HTTP header can carry", "look for a space or a line end in it"
            )
        if self.client_key and not self.client_cert:
            raise invalid_option("client_key", "is given without client_cert", "give the certificate as well")
        for name in ("timeout", "load_timeout"):
            if not 0 < getattr(self, name) <= _LONGEST:
                raise invalid_option(name, "must be more than 0 and at most a day", "give a number of seconds")
        for name in ("retries", "retry_delay"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise invalid_option(name, "must not be negative", "give 0 or more")

    @property
    def connect_timeout(self) -> float:
        return min(10.0, self.timeout)

    @property
    def is_unencrypted_remote(self) -> bool:
        """True if requests, with the key, cross a network unencrypted."""
        url = urlsplit(self.base_url)
        return url.scheme != "https" and not is_loopback_host(url.hostname or "")


def endpoint_of(options: Mapping) -> Endpoint:
    """Return the server that the connection options describe. Other options are ignored.

    :raises VllmError: ``invalid_request`` when an option cannot be used.
    """
    return Endpoint(**{one.name: options[one.name] for one in fields(Endpoint) if one.name in options})


def _checked_url(url: str) -> str:
    """Return ``url`` without a trailing ``/``, ``/v1`` or ``/v1/``."""
    advice = "write it like http://node:8000"
    try:
        if _NOT_IN_A_URL.search(url):
            raise ValueError("a blank or control character")
        parts = urlsplit(url)
        parts.port  # noqa: B018  reading the port checks it
    except ValueError:
        # The value is not repeated: it may hold a password.
        raise invalid_option("base_url", "is not a URL", advice) from None
    if "@" in url:
        raise invalid_option("base_url", "has a user or password in it", "give the key in option api_key instead")
    if parts.scheme not in ("http", "https"):
        raise invalid_option("base_url", f"is {quoted(url)}, which is not http or https", advice)
    if not parts.hostname:
        raise invalid_option("base_url", f"is {quoted(url)}, which names no host", advice)
    if parts.query or parts.fragment:
        # Not repeated either: a query may hold a key.
        raise invalid_option("base_url", "has a query or a fragment", advice)
    path = parts.path.rstrip("/")
    if path.endswith("/v1"):
        path = path[: -len("/v1")].rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}"


def is_same_server(url: str, other: str) -> bool:
    """Return whether two addresses are spellings of one, which need no look into the name service to tell.

    :raises VllmError: ``invalid_request`` when ``url`` cannot be used. If ``other`` cannot be used, they differ.
    """
    server = _server(url)
    try:
        return _server(other) == server
    except VllmError:
        return False


def is_loopback(url: str) -> bool:
    """Return whether the address leads each machine to itself. An address that cannot be used does not."""
    try:
        return is_loopback_host(_server(url)[1])
    except VllmError:
        return False


def is_loopback_host(host: str) -> bool:
    """Return whether the name or the address of a host is the machine that uses it."""
    # A short form such as 127.1 is no address for Python, but for the network.
    if host == "localhost" or host.startswith("127."):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def _server(url: str) -> tuple:
    parts = urlsplit(_checked_url(url))
    port = parts.port or _PORTS[parts.scheme]
    return parts.scheme, (parts.hostname or "").rstrip("."), port, parts.path


@dataclass(frozen=True)
class Authorities:
    """A file or directory of trusted certificates, and the option or variable that names it."""

    named_by: str
    path: str
    is_directory: bool = False


def authorities(ca_path: str | None, environment: Mapping[str, str]) -> tuple[Authorities, ...]:
    """Return the trusted certificates, or nothing for those of the system's store together with certifi's.

    Only the first of these that is set counts: the option ``ca_path``; ``REQUESTS_CA_BUNDLE``, or else
    ``CURL_CA_BUNDLE``; ``SSL_CERT_FILE`` with ``SSL_CERT_DIR``.
    """
    if ca_path:
        return (Authorities("option ca_path", ca_path),)
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if environment.get(variable):
            return (Authorities(variable, environment[variable]),)
    file, directories = environment.get("SSL_CERT_FILE"), environment.get("SSL_CERT_DIR") or ""
    found = [Authorities("SSL_CERT_FILE", file)] if file else []
    found += [Authorities("SSL_CERT_DIR", one, is_directory=True) for one in directories.split(":") if one]
    return tuple(found)


def proxy_of(endpoint: Endpoint, environment: Mapping[str, str]) -> str | None:
    """Return the URL of the proxy for an endpoint, or None if it is asked directly.

    ``http_proxy`` or ``https_proxy``, by the scheme of ``base_url``, or else ``all_proxy`` names the proxy. ``no_proxy``
    lists names of hosts and domains, addresses and networks that are asked directly; ``*`` is all. If a variable is set
    in lower case, its form in capitals is ignored.
    """
    scheme = urlsplit(endpoint.base_url).scheme
    proxy = _variable(f"{scheme}_proxy", environment) or _variable("all_proxy", environment)
    if not endpoint.use_proxy or not proxy or _is_asked_directly(endpoint.base_url, _variable("no_proxy", environment)):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(name: str, environment: Mapping[str, str]) -> str:
    return environment.get(name, environment.get(name.upper(), ""))


def _is_asked_directly(base_url: str, no_proxy: str) -> bool:
    url = urlsplit(base_url)
    host = url.hostname or ""
    for item in no_proxy.lower().replace(",", " ").split():
        name = item.strip("[]").lstrip(".")
        if name == "*" or any(f".{one}".endswith(f".{name}") for one in (host, url.netloc.lower())):
            return True
        with contextlib.suppress(ValueError):
            if ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False):
                return True
    return False
