# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declaration file of the event source, from the variables of the hosts. It never holds a key."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.pruning import PRUNE_OPTIONS
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.revocation import REVOKE_OPTIONS
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refuse_templates, refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, failure, quoted
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.endpoint import is_loopback
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.requirements import REQUIRE_OPTIONS
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.resolution import DECLARATION, settings_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.connection import ServerHost, connection_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.files import as_yaml, write_file
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.words import count_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.audit import AuditAction

# Those that the file takes, in its order. The event source repeats each observation, and never loads.
_CONNECTION = (
    "base_url",
    "api_key_env",
    "validate_certs",
    "ca_path",
    "client_cert",
    "client_key",
    "timeout",
    "use_proxy",
)
_HEADER = "# Written by the playbook sovereign.vllm.declaration from the inventory, which replaces it.\n---\n"


class EndpointAction(AuditAction):
    """Returns the entry of one host in the declaration file. The server is not asked."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = ActionBase.run(self, tmp, task_vars)
        self.validate_argument_spec(argument_spec={})
        # The node may be asked for a digest. Nothing is staged there.
        self._task.check_mode = True
        try:
            return {**result, "changed": False, "endpoint": self._endpoint(task_vars or {})}
        except VllmError as error:
            return {**result, **failure(error), "failed": True}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _endpoint(self, task_vars: dict) -> dict | None:
        if DECLARATION not in task_vars:
            return None
        render = self._templar.template
        name, settings = str(task_vars["inventory_hostname"]), settings_of(task_vars, render)
        entry = {"name": name, **_reached(ServerHost(name, task_vars, render), self._task.connection)}
        for option in (*PRUNE_OPTIONS, *REQUIRE_OPTIONS, *REVOKE_OPTIONS):
            if _says_something(settings.get(option)):
                entry[option] = settings[option]
        entry["adapters"] = [_wanted(adapter) for adapter in self._resolved(settings, task_vars).adapters]
        refuse_templates(f"the declaration of {name}", entry)
        return plain(entry)


def _reached(server: ServerHost, connection: str) -> dict:
    """Return address and connection of a server, with its key by the name of a variable.

    :param connection: of a host that does not name one.
    :raises VllmError: ``invalid_request`` if the event source could not reach the server so.
    """
    options = connection_of(server.variables, server.render)
    if options.get("api_key"):
        raise refused(
            f"vllm_api_key of {quoted(server.name)} is a key, and the declaration file only has the names of environment variables",
            "set vllm_api_key to null and vllm_api_key_env to the name of the variable that holds the key where the events come from",
        )
    if "api_key" in options:
        options["api_key_env"] = ""
    url = options.get("base_url")
    if not url:
        raise refused(f"{quoted(server.name)} has no vllm_base_url", "set it to the address of its server")
    if is_loopback(str(url)) and not server.is_controller(connection):
        raise refused(
            f"the server of {quoted(server.name)} is at {url} as its node sees it, and the event source runs elsewhere",
            "set vllm_base_url to an address that the event source can reach, or ansible_connection to local if both run on the controller",
        )
    return {name: options[name] for name in _CONNECTION if name in options}


def _says_something(value: object) -> bool:
    return value is not None and value is not False and value not in ([], {})


def _wanted(adapter: Mapping) -> dict:
    """Return the adapter without the order to load it again, since that is no state to watch."""
    return {name: value for name, value in adapter.items() if (name, value) != ("state", "reloaded")}


def write_declaration(options: Mapping, check_mode: bool) -> dict:
    """Write the file of all endpoints, or leave it as it is. Return the result of the task.

    :param options: ``file``, ``endpoints``, ``not_declared``, ``missing``, ``partial``.
    :raises VllmError: ``invalid_request`` if hosts are missing, or if the file cannot be written.
    """
    missing, endpoints = sorted(options["missing"]), sorted(plain(options["endpoints"]), key=lambda one: one["name"])
    file = (options["file"] or "").strip()
    if not file:
        raise refused(
            "lora_declaration_file is not set", "give the path of the declaration file, or set VLLM_DECLARATION_FILE"
        )
    path = Path(os.path.abspath(os.path.expanduser(file)))
    stays = f"so {quoted(path)} stays as it was"
    if missing and not options["partial"]:
        raise refused(
            f"{', '.join(missing)} could not be resolved or {'is' if len(missing) == 1 else 'are'} left out by --limit, {stays}",
            "correct them, or set lora_declaration_partial to true to leave them out",
        )
    if not endpoints:
        raise refused(
            f"no host has lora_adapters, {stays}", "define lora_adapters, an empty list for a server without adapters"
        )
    document = {"endpoints": endpoints}
    text = json.dumps(document, indent=2) + "\n" if path.suffix == ".json" else _HEADER + as_yaml(document)
    count = len(endpoints)
    shown = {"file": str(path), "endpoints": [one["name"] for one in endpoints]}
    did = "would have" if check_mode else "has"
    sentences = [f"{path} {did} {count_of(count, 'endpoint')}."]
    if options["not_declared"]:
        sentences.append(f"Left out, since they have no lora_adapters: {', '.join(sorted(options['not_declared']))}.")
    if missing:
        sentences.append(f"Left out, since they could not be resolved: {', '.join(missing)}.")
    return {**write_file(path, text, check_mode), **shown, "msg": " ".join(sentences)}
