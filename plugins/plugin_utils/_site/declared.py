# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host as its own node needs it: the connection and the declaration, resolved, without keys and files of headquarters."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import is_staged
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.source import is_remote, pin_of
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import (
    read_option,
    refuse_templates,
    refused,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import quoted
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.endpoint import is_same_server
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.artifacts import read_artifact
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.known_digests import known_digest
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.resolution import (
    DECLARATION,
    OPTIONS,
    PREFIX,
    checks_of,
    settings_of,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.trust import TRUST, trust_with_keys
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.connection import PREFIX as CONNECTION
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.connection import connection_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.controller_action import ControllerAction
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.files import finder
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain, value_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.sealed import checked_node

NODE = "bundle_node"
_OVERRIDES = "bundle_variables"
# Files of the machine that asks. If that is headquarters, the node does not have them.
_FILES = ("ca_path", "client_cert", "client_key")
# The node is the machine that asks, and a bundle has no key.
_NOT_CARRIED = ("ask_from", "api_key")
# Files of headquarters, or the ways to them.
_OF_HEADQUARTERS = (
    "lora_adapters",
    "lora_fingerprints",
    "lora_switch_tasks",
    "lora_store_hosts",
)
_SOURCE = ("src", "remote_src", "checksum")
_PRIVATE = "PRIVATE KEY-----"
_SOURCES = "lora_source_"


class BundledHostAction(ControllerAction):
    """Returns what the bundle of its node needs of one host. No server and no node is asked."""

    def work(self, given: Mapping, variables: dict) -> dict:
        if DECLARATION not in variables:
            return {"changed": False, "host": None}
        return {"changed": False, "host": bundled_host(variables, self._templar.template, finder(self), self._loader)}


def node_of(variables: Mapping, render: Callable[[object], Any]) -> str:
    """Return the name of the node of a host: ``bundle_node``, by default ``ansible_host`` or the name in the inventory.

    :raises VllmError: ``invalid_request`` if it cannot be the name of a directory.
    """
    host = str(variables["inventory_hostname"])
    for name in (NODE, "ansible_host"):
        value = value_of(name, variables, render)
        if value not in (None, ""):
            # Ansible sets ansible_host to the name of the host.
            return checked_node(str(value), f"{name} of {host}" if value != host else f"the name of the host {host}")
    return checked_node(host, f"the name of the host {host}")


def bundled_host(
    variables: Mapping, render: Callable[[object], Any], find: Callable[[str], str | None], loader: Any
) -> dict:
    """Return ``name``, ``node``, ``variables`` for the inventory of the site, ``artifacts``, ``store_hosts`` and ``fingerprints``
    (whether they are recorded) of a host.

    Each artifact has the ``name`` of its adapter, its ``digest`` as far as it is known without reading it, and ``src`` and
    ``options`` for :func:`read_carried` if headquarters has a source.

    :param variables: of the host, before Ansible renders them.
    :param render: renders one variable.
    :param find: returns the path that ``src`` means, or None if nothing is there.
    :param loader: decrypts files.
    :raises VllmError: ``invalid_request``, with a message that names the variable.
    """
    name = str(variables["inventory_hostname"])
    variables = {**variables, **_overrides(name, variables, render)}
    settings = settings_of(variables, render)
    if settings.get("switch_tasks"):
        raise refused(
            f"lora_switch_tasks of {name} is a file of headquarters, which a bundle does not carry",
            f"set it to null in {_OVERRIDES} of the host",
        )
    # The site has no file with a key of headquarters.
    settings = {**settings, "trust": trust_with_keys(TRUST, settings.get("trust"), find)}
    site: dict = {
        variable: settings[variable[len(PREFIX) :]]
        for variable in OPTIONS
        if variable in variables
        and variable not in _OF_HEADQUARTERS
        and not variable.startswith(_SOURCES)
        and variable[len(PREFIX) :] in settings
    }
    site.update(_connection(name, variables, render))
    site["lora_store"] = settings["store"]
    site[DECLARATION] = [_carried(adapter) for adapter in settings["adapters"]]
    refuse_templates(f"the declaration of {name}", site)
    if _PRIVATE in str(site):
        raise refused(
            f"a variable of {name} holds a private key, and a bundle carries none",
            "remove it, and keep it where it is used",
        )
    artifacts = [_artifact(adapter, settings, find) for adapter in settings["adapters"] if _is_carried(adapter)]
    return {
        "name": name,
        "node": node_of(variables, render),
        "variables": plain(site),
        "fingerprints": bool(settings.get("fingerprints")),
        "artifacts": plain(artifacts),
        "store_hosts": plain(settings.get("store_hosts") or []),
    }


def _overrides(name: str, variables: Mapping, render: Callable[[object], Any]) -> dict:
    written = value_of(_OVERRIDES, variables, render)
    read: Any = read_option(f"{_OVERRIDES} of {name}", written, {"type": "dict"})
    given = dict(read or {})
    for variable in given:
        if not str(variable).startswith((CONNECTION, PREFIX)):
            raise refused(
                f"{_OVERRIDES} of {name} sets {quoted(variable)}", "set only variables vllm_* and lora_* there"
            )
    return given


def _connection(name: str, variables: Mapping, render: Callable[[object], Any]) -> dict:
    options = connection_of(variables, render)
    if options.get("api_key"):
        raise refused(
            f"vllm_api_key of {name} is a key, and a bundle only has the names of environment variables",
            "set vllm_api_key to null and vllm_api_key_env to the name of the variable that holds the key at the site",
        )
    url = options.get("base_url")
    if not url:
        raise refused(f"{name} has no vllm_base_url", "set it to the address of its server")
    is_same_server(str(url), str(url))  # refuses an address with a password
    files = [f"{CONNECTION}{option}" for option in _FILES if options.get(option)]
    if options.get("ask_from") == "controller" and files:
        raise refused(
            f"{', '.join(files)} of {name} {'are files' if len(files) > 1 else 'is a file'} of headquarters, since vllm_ask_from is controller",
            f"set the paths that the node has in {_OVERRIDES} of the host, and vllm_ask_from to host",
        )
    site = {f"{CONNECTION}{option}": value for option, value in sorted(options.items()) if option not in _NOT_CARRIED}
    return {**site, "vllm_api_key": ""} if "api_key" in options else site


def _is_carried(adapter: Mapping) -> bool:
    # Headquarters downloads for a node without a network.
    return is_staged(adapter) and (not adapter.get("remote_src") or is_remote(adapter.get("src")))


def _carried(adapter: Mapping) -> dict:
    """Return the adapter for the site. The inventory of the site adds the digest."""
    if is_staged(adapter) and not _is_carried(adapter):
        return dict(adapter)
    return {option: value for option, value in adapter.items() if option not in _SOURCE}


def _artifact(adapter: Mapping, settings: Mapping, find: Callable[[str], str | None]) -> dict:
    pin = pin_of(adapter.get("src"), adapter.get("checksum"))
    digest = adapter.get("digest") or (known_digest(pin) if pin else None)
    artifact = {"name": adapter["name"], "digest": digest}
    if "src" in adapter:
        # A relative path means something only in the task of the host.
        artifact.update(src=find(adapter["src"]) or adapter["src"], options=checks_of(adapter, settings, find))
    return artifact


def read_carried(artifact: Mapping, loader: Any) -> tuple[str, str]:
    """Return the path of an artifact at headquarters, checked and decrypted, and its digest.

    :raises VllmError: if it cannot be served, or is not there.
    """
    source, found = read_artifact(artifact["name"], artifact["src"], artifact["options"], _existing, loader)
    return source, found["digest"]


def _existing(path: str) -> str | None:
    return path if os.path.lexists(path) else None
