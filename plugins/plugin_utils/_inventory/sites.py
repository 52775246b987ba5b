# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers of an inventory, and the option ``from_hosts``: hosts that earlier inventory sources define."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, invalid_option, printable, quoted
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.endpoint import Endpoint, endpoint_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.connection import PREFIX, connection_of, key_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.words import some_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._inventory.hosts_so_far import HostsSoFar, HostVariables

_SHOWN = 5


@dataclass(frozen=True)
class Site:
    """One host. Once it is complete, it has an endpoint to ask, or the ``problem`` why there is none.

    :param base_url: None if the host has no usable address.
    :param variables: further variables that the inventory file sets for the host.
    """

    name: str
    base_url: str | None
    endpoint: Endpoint | None = None
    problem: VllmError | None = None
    variables: Mapping = field(default_factory=dict)


_ASK_FROM = f"{PREFIX}ask_from"
_BASE_URL = f"{PREFIX}base_url"
# Patience comes from the inventory file alone, so that all dead sites together cost one time-out.
_OWN_OPTIONS = frozenset(
    ("api_key", "api_key_env", "ca_path", "client_cert", "client_key", "validate_certs", "use_proxy")
)
_CERTIFICATE = ("client_cert", "client_key")


class Connection:
    """The connection options of the inventory file. The variables of a host override them.

    :param ask_from: what the host variable ``vllm_ask_from`` is to be.
    :param render: gets a template and the variables of a host, returns the value.
    :raises VllmError: ``invalid_request`` if an option cannot be used.
    """

    def __init__(
        self, options: Mapping, ask_from: str, hosts: HostsSoFar, render: Callable[[Any, Mapping], Any]
    ) -> None:
        self._options = options
        self._ask_from = ask_from
        self._hosts = hosts
        self._render = render
        # By identity, since to decrypt takes longer than to ask a server, and all hosts of a group have the same secret.
        self._decrypted: dict[int, tuple[object, str]] = {}
        endpoint_of({**options, "base_url": "http://localhost"})

    def complete(self, site: Site, template: str | None = None) -> Site:
        """Return the site with its endpoint. If a variable or its key is missing or unusable, the site has that problem, and no
        other key is sent.

        :param template: makes the address of a host that no file beside the inventory gives.
        """
        asks = {} if _ASK_FROM in self._hosts.own(site.name) else {_ASK_FROM: self._ask_from}
        site = replace(site, variables={**asks, **site.variables})
        try:
            variables = self._hosts.known(
                site.name, {**site.variables, _BASE_URL: site.base_url} if site.base_url else site.variables
            )
            site = replace(site, base_url=None)
            site = replace(site, base_url=checked_url(self._address(variables, template)))
            return replace(site, endpoint=self._endpoint(site.base_url, variables))
        except VllmError as problem:
            return replace(site, problem=problem)

    def _address(self, variables: HostVariables, template: str | None) -> str:
        if template is not None and not variables.has_above((_BASE_URL,)):
            try:
                return self._render(template, variables.combined)
            except Exception as error:
                # A template can raise anything.
                why = f"makes no URL for this host ({printable(error)})"
                raise invalid_option("from_hosts.base_url", why, "define the variables that it uses") from None
        address = self._set_by(variables, ("base_url",)).get("base_url")
        if not address:
            raise refused(f"{_BASE_URL} is not set", "set it for this host, or give from_hosts.base_url")
        return str(address)

    def _endpoint(self, base_url: str | None, variables: HostVariables) -> Endpoint:
        own = self._set_by(variables, _OWN_OPTIONS)
        options = {**self._options, **own, "base_url": base_url}
        if any(name in own for name in _CERTIFICATE):
            options.update({name: own.get(name) for name in _CERTIFICATE})
        key = key_of(own)
        if key is not None:
            options["api_key"] = key
        return endpoint_of(options)

    def _set_by(self, variables: HostVariables, names: Collection[str]) -> dict[str, object]:
        if not variables.has([f"{PREFIX}{name}" for name in names]):
            return {}
        return connection_of(variables.combined, lambda value: self._rendered(value, variables), names)

    def _rendered(self, boxed: Any, variables: HostVariables) -> Any:
        """Render what :func:`connection_of` has put into a dictionary."""
        value = boxed["value"]
        if isinstance(value, str) and "{" not in value:
            return boxed
        if hasattr(value, "__ENCRYPTED__"):
            # Before ansible-core 2.19, a secret is decrypted each time, and is no template.
            if id(value) not in self._decrypted:
                self._decrypted[id(value)] = value, str(value)
            return {"value": self._decrypted[id(value)][1]}
        return self._render(boxed, variables.combined)


def checked_url(base_url: str) -> str:
    """Return the address as it is asked.

    :raises VllmError: ``invalid_request`` if it cannot be used.
    """
    return endpoint_of({"base_url": base_url}).base_url


def check_keys(option: str, entry: object, kinds: Mapping[str, type], required: Iterable[str]) -> None:
    """Refuse a dictionary of the inventory file that has an unknown key, a value of another type, or lacks a key.

    :raises VllmError: ``invalid_request`` for the first mistake.
    """
    keys = ", ".join(kinds)
    if not isinstance(entry, Mapping):
        raise invalid_option(option, "is not a dictionary", f"write one with {keys}")
    for key, value in entry.items():
        if key not in kinds:
            raise invalid_option(f"{option}.{key}", "does not exist", f"use only {keys}")
        if not isinstance(value, kinds[key]):
            kind, advice = (
                ("string", "put it between quotes") if kinds[key] is str else ("dictionary", "write key: value")
            )
            raise invalid_option(f"{option}.{key}", f"is not a {kind}", advice)
    for key in required:
        if key not in entry:
            raise invalid_option(f"{option}.{key}", "is missing", "give it a value")


def shortened(names: Iterable[str]) -> str:
    """Return the first few of the names, and how many more there are."""
    return some_of([quoted(name) for name in names], _SHOWN)


def problems_of(sites: Iterable[Site]) -> list[str]:
    """Return one line for each problem, with the hosts that have it."""
    names = defaultdict(list)
    for site in sites:
        if site.problem:
            names[site.problem.message].append(site.name)
    return [f"{message} (hosts: {shortened(hosts)})" for message, hosts in names.items()]


def host_sites(option: Mapping, hosts: HostsSoFar) -> Iterator[tuple[Site, str | None]]:
    """Return each host that matches the pattern, to be completed, with the template of its address.

    :raises VllmError: ``invalid_request`` if the option has a mistake.
    """
    check_keys("from_hosts", option, {"pattern": str, "base_url": str}, required=["pattern"])
    for host in hosts.matching(option["pattern"]):
        yield Site(host.name, None), option.get("base_url")
