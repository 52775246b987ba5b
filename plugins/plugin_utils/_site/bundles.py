# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the bundles of all chosen nodes. A node that cannot get one does not keep the others from theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, failure, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.reader import Host
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.words import count_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.bundling import (
    KEY,
    Bundle,
    Extras,
    files_to_carry,
    next_serial,
    writable,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.declared import node_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.layout import path_in
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.results import Result, read_results
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.signing import sign

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def write_bundles(given: Mapping, hostvars: Mapping, loader: Any, check_mode: bool) -> dict:
    """Return the result of the task that writes bundles.

    :param given: ``directory``, ``hosts``, ``missing``, ``signing_key``, ``full``, ``collection``, ``wheels``, ``results``,
        ``result_signers``.
    :param hostvars: Ansible's variable of this name. Only the hosts in ``missing`` are looked up.
    :param loader: decrypts files.
    :raises VllmError: ``invalid_request`` if an option cannot be used. No bundle is written then.
    """
    directory = path_in("bundle_directory", given["directory"])
    key = path_in(KEY, given["signing_key"])
    sign(b"", key, "bundle", KEY)  # before anything is copied
    files = files_to_carry(
        path_in("bundle_collection", given["collection"]) if given["collection"] else None,
        path_in("bundle_wheels", given["wheels"]) if given["wheels"] else None,
    )
    extras = Extras(key, files)
    results, problems = read_results(given["results"], given["result_signers"])
    nodes = _by_node(given["hosts"])
    if not nodes:
        raise refused("no host has lora_adapters, so there is no bundle to write", "define lora_adapters")
    left_out = _left_out(nodes, given["missing"], hostvars)
    run = _Run(directory, extras, results, loader, given["full"], check_mode)
    written, errors = [], []
    for node, hosts in sorted(nodes.items()):
        try:
            if node in left_out:
                raise _incomplete(node, left_out[node])
            _require_own_stores(node, hosts)
            written.append(run.write(node, hosts))
        except VllmError as error:
            errors.append((node, error))
    shown = {"changed": bool(written), "bundles": written, "warnings": problems}
    if errors:
        told = [f"Could not write the bundle of {quoted(node)}: {error.message}" for node, error in errors]
        told.append(f"{len(written)} of {len(nodes)} bundles were written.")
        return {**shown, **failure(errors[0][1]), "msg": " ".join(told), "failed": True}
    return {**shown, "msg": " ".join(one["msg"] for one in written)}


@dataclass
class _Run:
    directory: Path
    extras: Extras
    results: Mapping[str, Result]
    loader: Any
    full: bool
    check_mode: bool

    def write(self, node: str, hosts: list[Mapping]) -> dict:
        last = self.results.get(node)
        present = frozenset() if self.full or not last else last.artifacts
        if self.check_mode:
            return {"node": node, "hosts": [host["name"] for host in hosts], "msg": f"{node} would get a bundle."}
        with writable(self.directory):
            serial = next_serial(node, self.directory, [last.serial] if last else [])
            bundle = Bundle(node, serial, hosts, present)
            path = bundle.write(self.directory, self.extras, self.loader)
        size = sum(size for _digest, size in bundle.files.values())
        since = f"only what {node} does not have after bundle {last.serial}" if present and last else "all artifacts"
        return {
            "node": node,
            "serial": serial,
            "hosts": [host["name"] for host in hosts],
            "path": str(path),
            "size": size,
            "artifacts": sorted(bundle.carried),
            "msg": f"{path} has {count_of(len(bundle.carried), 'artifact')} ({since}) and {_shown(size)}.",
        }


def _by_node(hosts: Iterable[Mapping]) -> dict[str, list[Mapping]]:
    nodes: dict[str, list[Mapping]] = {}
    for host in sorted(hosts, key=lambda host: host["name"]):
        nodes.setdefault(host["node"], []).append(host)
    return nodes


def _left_out(nodes: Mapping, missing: Iterable[str], hostvars: Mapping) -> dict[str, list[str]]:
    """Return node → its hosts that are not in this run. Their variables alone tell their node."""
    found: dict[str, list[str]] = {}
    for name in missing:
        host = Host(hostvars, name)
        known = {key: host.get(key) for key in ("bundle_node", "ansible_host")}
        try:
            node = node_of({"inventory_hostname": name, **known}, lambda value: value)
        except VllmError:
            continue  # Such a name is that of no node.
        if node in nodes and "lora_adapters" in host:
            found.setdefault(node, []).append(name)
    return found


def _incomplete(node: str, names: list[str]) -> VllmError:
    others = ", ".join(sorted(names))
    return refused(
        f"{others} of the same node {'is' if len(names) == 1 else 'are'} left out by --limit, or could not be resolved",
        f"run the playbook for all hosts of {node}; the site would no longer know the others",
    )


def _require_own_stores(node: str, hosts: Iterable[Mapping]) -> None:
    """Refuse a store that servers of other nodes read from, because a bundle names no other node."""
    own = {host["name"] for host in hosts}
    for host in hosts:
        others = sorted(set(host["store_hosts"]) - own)
        if others:
            raise refused(
                f"lora_store_hosts of {host['name']} names {', '.join(others)}, which {node} does not have",
                "set lora_store_hosts in bundle_variables of the host, or do not share the store between nodes",
            )
        if host["store_hosts"]:
            host["variables"]["lora_store_hosts"] = host["store_hosts"]


def _shown(size: float) -> str:
    unit = 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {_UNITS[unit]}"
