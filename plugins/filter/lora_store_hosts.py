# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lora_store_hosts
short_description: Find the hosts whose vLLM servers can read from the same store of adapters
version_added: 1.0.0
description:
  - A version may be removed from a store only if no server that can read from the store lists it. The role
    P(sovereign.vllm.lora#role) asks the servers that this filter names before it removes old versions.
  - Hosts can read from the same store if they are one node, or if C(lora_store_hosts) of one names the other.
    Both rules count in both directions, and over other hosts.
  - Hosts are one node if they have the same C(ansible_host), the connection V(local), or the same host in
    C(vllm_base_url). URLs of a loopback device do not count, and URLs with a path do not
    either, since these belong to proxies.
positional: hosts, servers, asking
options:
  _input:
    description:
      - The variable C(hostvars).
      - If a host has the fact C(lora_store_view), the filter takes C(connection), C(address), C(base_url) and
        C(store_hosts) from there, since C(hostvars) does not hold the variables of a play.
    type: dict
    required: true
  hosts:
    description: Names of all hosts that may have a server.
    type: list
    elements: str
    required: true
  servers:
    description: Names of the hosts that certainly have a server. Another host has a server if it has the address of one, or a
      variable of the role.
    type: list
    elements: str
    required: true
  asking:
    description: Names of the hosts whose stores the role wants to clean up.
    type: list
    elements: str
    required: true
seealso:
  - plugin: sovereign.vllm.lora
    plugin_type: role
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Show the servers that read from the store of each host
  ansible.builtin.debug:
    msg: "{{ hostvars | sovereign.vllm.lora_store_hosts(groups.all, groups.vllm, groups.vllm) }}"
"""

RETURN = r"""
_value:
  description: For each host in O(asking), the servers to ask before something is removed from its store.
  type: dict
  contains:
    servers:
      description: Names of the hosts whose servers are asked, with the host itself.
      type: list
      elements: str
    asked_from_here:
      description: The hosts of RV(_value.servers) whose server the controller asks, by C(vllm_ask_from). The others are asked
        by their own node.
      type: list
      elements: str
    doubts:
      description: Reasons why the servers of the store are not known for certain. If there is a reason, nothing may be removed.
      type: list
      elements: str
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible.errors import AnsibleError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain

_HERE = "localhost"
_URL = "vllm_base_url"


@dataclass(frozen=True)
class _View:
    """The variables of a host about the store that it reads from.

    :ivar nodes: addresses of the node. Hosts that share an address are one node.
    :ivar store_hosts: hosts that read from its store.
    :ivar doubt: why its server cannot be asked by other hosts, or None.
    :ivar asked_from_here: whether the controller asks its server.
    """

    nodes: frozenset
    store_hosts: frozenset
    doubt: str | None
    asked_from_here: bool


class FilterModule:
    def filters(self) -> dict:
        return {"lora_store_hosts": lora_store_hosts}


def lora_store_hosts(
    hostvars: Mapping, hosts: Sequence[str], servers: Sequence[str], asking: Sequence[str]
) -> dict[str, dict]:
    """Return, by host, the servers to ask and the doubts."""
    views: dict[str, _View] = {}
    doubts = []
    connection = _default_connection(hostvars, asking)
    for host in sorted({*hosts, *asking}):
        try:
            if host in {*servers, *asking} or _has_server(hostvars[host]):
                views[host] = _view(host, hostvars[host], connection)
        except (AnsibleError, ValueError, KeyError) as error:
            doubts.append(f"The variables of {host} cannot be read: {error}")
    return {host: _whom_to_ask(host, views, doubts) for host in asking}


def _default_connection(hostvars: Mapping, asking: Sequence[str]) -> str:
    """Return the connection of hosts without a variable for it. It is the keyword of the play, and only facts of the hosts of
    this play hold that."""
    for host in asking:
        view = hostvars[host].get("lora_store_view") if "ansible_connection" not in hostvars[host] else None
        if view:
            return str(view["connection"])
    return "ssh"


def _has_server(variables: Mapping) -> bool:
    return any(str(name) == _URL or str(name).startswith("lora_") for name in variables)


def _view(host: str, variables: Mapping, connection: str) -> _View:
    told = _value(variables, "lora_store_view") or {}
    url = _value(variables, _URL)
    connection = told.get("connection") or _value(variables, "ansible_connection") or connection
    address = _value(variables, "ansible_host") or _value(variables, "ansible_ssh_host") or told.get("address") or host
    nodes = {_HERE if str(connection) == "local" else _normalised(str(address))}
    nodes.update(filter(None, map(_node_of, [url, told.get("base_url")])))
    store_hosts = told.get("store_hosts") or _value(variables, "lora_store_hosts") or []
    return _View(
        frozenset(nodes),
        frozenset(map(str, store_hosts)),
        _doubt(host, url or "", told.get("base_url")),
        _value(variables, "vllm_ask_from") == "controller",
    )


def _doubt(host: str, url: str, own: str | None) -> str | None:
    """Return why this host can be asked only by its own tasks.

    :param own: the address that its own tasks take, empty for the default of the modules. None if it has no tasks in this run.
    """
    if own == url or (own is None and url):
        return None
    problem = (
        f"has {own} as vllm_base_url, which other hosts do not see" if own else "has no vllm_base_url in the inventory"
    )
    return f"{host} can read from the same store, and {problem}; set it in the inventory."


def _value(variables: Mapping, name: str) -> Any:
    """Return the value of a variable.

    :raises ValueError: if it cannot be evaluated. Up to ansible-core 2.18, hostvars then return the template.
    """
    value = plain(variables[name]) if name in variables else None
    if "{{" in str(value):
        raise ValueError(f"{name} is {value!r}, which cannot be evaluated.")
    return value


def _normalised(address: str) -> str:
    """Return one spelling of an address, the same for all addresses of this machine."""
    text = address.strip("[]").rstrip(".").lower()
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return text
    return _HERE if parsed.is_loopback else parsed.compressed


def _node_of(url: object) -> str | None:
    """Return the node in the URL of a server, or None. Behind a proxy, the paths of the URLs name the servers."""
    parts = urlsplit(str(url or ""))
    if not parts.hostname or parts.path.strip("/") not in ("", "v1"):
        return None
    node = _normalised(parts.hostname)
    return None if node == _HERE else node


def _whom_to_ask(host: str, views: Mapping[str, _View], doubts: Sequence[str]) -> dict:
    unsure = list(doubts)
    sharing, new = {host}, {host}
    while new:
        new = {other for other in views for one in new if _share(one, other, views)} - sharing
        sharing |= new
    for name in sorted({name for one in sharing if one in views for name in views[one].store_hosts} - set(views)):
        unsure.append(f"lora_store_hosts names {name}, which the inventory does not have as a server.")
    for other in sorted(sharing - {host}):
        unsure.extend(filter(None, [views[other].doubt]))
    servers = sorted(sharing & set(views))
    return {
        "servers": servers,
        "asked_from_here": [one for one in servers if views[one].asked_from_here],
        "doubts": unsure,
    }


def _share(one: str, other: str, views: Mapping[str, _View]) -> bool:
    if one not in views:
        return False
    mine, theirs = views[one], views[other]
    return bool(mine.nodes & theirs.nodes) or other in mine.store_hosts or one in theirs.store_hosts
