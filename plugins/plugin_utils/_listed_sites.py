# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``endpoints`` of the inventory."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, invalid_option
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host_variables import NAMES
from ansible_collections.sovereign.vllm.plugins.plugin_utils._ranges import expand, expand_in_step
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site_key import NAMED_BY
from ansible_collections.sovereign.vllm.plugins.plugin_utils._sites import Connection, Site, check_keys, shortened

# What an address is made of when it has been checked: scheme, host, port, path.
_ADDRESS = re.compile(r"(https?)://\[?(.+?)\]?(?::(\d*))?((?:/.*)?)")
_PORTS = {"http": "80", "https": "443"}
_KINDS = {"base_url": str, "name": str, "api_key_env": str, "vars": Mapping}


def listed_sites(entries: Iterable[object], connection: Connection) -> list[Site]:
    """Return one site for each URL, ranges expanded.

    :raises VllmError: ``invalid_request``, with a sentence on a line of its own for each mistake.
    """
    sites: list[Site] = []
    mistakes: list[str] = []
    for number, entry in enumerate(entries):
        try:
            sites += _sites_of(f"endpoints[{number}]", entry, connection)
        except VllmError as mistake:
            mistakes.append(mistake.message)
    hosts = {_server(site): site.name for site in sites}
    mistakes += _repetitions("server", map(_server, sites), "list each one once")
    mistakes += _repetitions("host", hosts.values(), "give each entry a name of its own")
    if mistakes:
        raise VllmError("invalid_request", "\n".join(mistakes))
    return sites


def _sites_of(option: str, entry: object, connection: Connection) -> list[Site]:
    if isinstance(entry, str):
        entry = {"base_url": entry}
    elif not isinstance(entry, Mapping):
        raise invalid_option(option, "is neither a URL nor a dictionary", "write it like http://node:8000")
    check_keys(option, entry, _KINDS, required=["base_url"])
    _check_values(option, entry)
    return [_site(option, name, url, entry, connection) for name, url in _pairs(option, entry)]


def _check_values(option: str, entry: Mapping) -> None:
    name = entry.get("name", "unnamed")
    if not name.strip() or not name.isprintable():
        raise invalid_option(f"{option}.name", "is empty or has invisible characters", "give a name, or leave it out")
    taken = [variable for variable in entry.get("vars", {}) if variable in {*NAMES, NAMED_BY}]
    if taken:
        problem = f"has {shortened(taken)}, which the inventory sets by itself"
        raise invalid_option(f"{option}.vars", problem, "choose another name")


def _pairs(option: str, entry: Mapping) -> list[tuple[str, str]]:
    urls = f"{option}.base_url", entry["base_url"]
    if "name" in entry:
        return expand_in_step((f"{option}.name", entry["name"]), urls)
    return [("", url) for url in expand(*urls)]


def _site(option: str, name: str, url: str, entry: Mapping, connection: Connection) -> Site:
    try:
        site = connection.site(name, url, entry.get("api_key_env"), entry.get("vars"))
    except VllmError as error:
        raise VllmError(error.code, f"{option}: {error.message}") from None
    return site if name else replace(site, name=_address(site)[1])


def _repetitions(kind: str, values: Iterable[str], advice: str) -> list[str]:
    repeated = [value for value, times in Counter(values).items() if times > 1]
    return (
        [invalid_option("endpoints", f"repeats the {kind} {shortened(repeated)}", advice).message] if repeated else []
    )


def _server(site: Site) -> str:
    """Return the address in the one of its spellings that has a port and no capitals in its host."""
    scheme, host, port, path = _address(site)
    return f"{scheme}://{host.lower()}:{port or _PORTS[scheme]}{path}"


def _address(site: Site) -> tuple[str, ...]:
    return _ADDRESS.fullmatch(site.base_url).groups()
