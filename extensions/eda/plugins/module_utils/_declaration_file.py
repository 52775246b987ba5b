# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declaration file: the endpoints, and the adapters that each is to serve."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from sovereign_vllm.plugins.module_utils._adapters.declaration import (
    declare_all,
    read_adapters,
)
from sovereign_vllm.plugins.module_utils._adapters.models import DeclaredAdapter
from sovereign_vllm.plugins.module_utils._adapters.pruning import PRUNE_OPTIONS, Pruning, read_pruning
from sovereign_vllm.plugins.module_utils._adapters.revocation import REVOKE_OPTIONS, Revoked, read_revoked
from sovereign_vllm.plugins.module_utils._adapters.staged import at_paths
from sovereign_vllm.plugins.module_utils._adapters.values import read_options, refuse_templates, refused
from sovereign_vllm.plugins.module_utils._errors import VllmError, printable, quoted
from sovereign_vllm.plugins.module_utils._vllm.endpoint import CONNECTION_OPTIONS, Endpoint
from sovereign_vllm.plugins.module_utils._vllm.requirements import (
    REQUIRE_OPTIONS,
    Requirements,
    read_requirements,
)

# An endpoint has its own address, the file never holds a key, and the source repeats every observation.
_MODULE_OPTIONS = ("base_url", "api_key", "retries", "retry_delay")
_CONNECTION_OPTIONS = {
    "api_key_env": {"type": "str"},
    **{name: spec for name, spec in CONNECTION_OPTIONS.items() if name not in _MODULE_OPTIONS},
}
_ADAPTERS = {"type": "raw"}  # read by read_adapters
# As the role has it.
_SERVER_STORE = {"type": "str", "default": "/srv/lora"}
# Beside the adapters.
_DECLARED_OPTIONS = {**PRUNE_OPTIONS, **REQUIRE_OPTIONS, **REVOKE_OPTIONS}
_DEFAULT_OPTIONS = {
    "adapters": _ADAPTERS,
    "server_store": _SERVER_STORE,
    **_DECLARED_OPTIONS,
    **_CONNECTION_OPTIONS,
}
_ENDPOINT_OPTIONS = {"name": {"type": "str"}, "base_url": CONNECTION_OPTIONS["base_url"], **_DEFAULT_OPTIONS}
_FILE_OPTIONS = {"defaults": {"type": "raw"}, "endpoints": {"type": "list"}}
_FLEET_KEY = CONNECTION_OPTIONS["api_key"]["env"]
# Seconds. Shorter than the default of the modules: an observation is soon repeated, a task is not.
_TIMEOUT = 10.0


@dataclass(frozen=True)
class DeclaredEndpoint:
    """One endpoint and its declaration.

    :param options: the options with which ``vllm_lora_adapters`` converges it: ``adapters``, those for
        pruning, ``requires`` and ``revoked``.
    :param connection: the connection options as the file has them, the key by the name of its variable.
    """

    name: str
    endpoint: Endpoint
    adapters: tuple[DeclaredAdapter, ...]
    options: Mapping
    pruning: Pruning
    requirements: Requirements
    revoked: Revoked
    connection: Mapping


def read_declaration(file: Path, environment: Mapping[str, str]) -> tuple[DeclaredEndpoint, ...]:
    """Return the endpoints that the file declares.

    :param environment: holds the keys.
    :raises VllmError: ``invalid_request`` when the file is missing or malformed, with a sentence that says where.
    """
    try:
        return _endpoints(_parsed(file), environment)
    except VllmError as error:
        problem = error.clause(error.hint)
        raise VllmError("invalid_request", problem, error.hint, f"use the declaration file {quoted(file)}") from None


def _parsed(file: Path) -> object:
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".json":
            return json.loads(text)
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as problem:
        raise refused(f"it cannot be read ({problem.strerror})", "create it, readable for this user") from None
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise refused(f"it is no YAML ({printable(problem.problem)}{where})", "correct it") from None
    except (ValueError, yaml.YAMLError, RecursionError) as problem:
        kind = "JSON" if file.suffix == ".json" else "YAML"
        raise refused(f"it is no {kind} ({printable(problem)[:200]})", "correct it") from None


def _endpoints(decoded: object, environment: Mapping[str, str]) -> tuple[DeclaredEndpoint, ...]:
    document = read_options("the file", decoded, _FILE_OPTIONS)
    defaults = _options("defaults", document.get("defaults", {}), _DEFAULT_OPTIONS)
    if not document.get("endpoints"):
        raise refused("it has no endpoints", "list them under endpoints")
    found: dict[str, DeclaredEndpoint] = {}
    for number, item in enumerate(document["endpoints"], 1):
        written = {"base_url": item} if isinstance(item, str) else item
        own = _options(f"endpoint {number}", written, _ENDPOINT_OPTIONS)
        # Events become extra variables of a playbook, in which Ansible would evaluate it.
        refuse_templates(f"endpoint {number}", {**defaults, **own})
        declared = _endpoint(f"endpoint {number}", {**defaults, **own}, environment)
        if declared.name in found:
            raise refused(f"it has endpoint {quoted(declared.name)} twice", "give each its own name")
        found[declared.name] = declared
    return tuple(found.values())


def _options(where: str, written: Any, specs: Mapping) -> dict:
    found = read_options(where, written, specs)
    # Null is a mistake. It must not be replaced by the adapters of the defaults.
    return {**found, "adapters": None} if written.get("adapters", "") is None else found


def _endpoint(where: str, options: Mapping, environment: Mapping[str, str]) -> DeclaredEndpoint:
    if "base_url" not in options:
        raise refused(f"{where} has no base_url", "write one like http://node:8000")
    if "adapters" not in options:
        raise refused(f"{where} has no adapters, and the defaults have none", "write an empty list to declare none")
    store = options.get("server_store", _SERVER_STORE["default"])
    adapters = _adapters(f"the declaration of {where}", options["adapters"], store)
    connection = {option: options[option] for option in _CONNECTION_OPTIONS if option in options}
    for option in connection:
        if _CONNECTION_OPTIONS[option]["type"] == "path":
            connection[option] = os.path.expanduser(os.path.expandvars(connection[option]))
    reached = {"timeout": _TIMEOUT, **connection}
    # An empty name is no key, also not the one of the fleet.
    variable = reached.pop("api_key_env", _FLEET_KEY)
    if variable not in ("", _FLEET_KEY) and not environment.get(variable):
        raise refused(f"{where} names the variable {quoted(variable)} in api_key_env, which is not set", "set it")
    try:
        endpoint = Endpoint(options["base_url"], environment.get(variable) or None, **reached)
        pruning, requirements, revoked = read_pruning(options), read_requirements(options), read_revoked(options)
    except VllmError as error:
        raise refused(f"{where}: {error.clause(error.hint)}", error.hint) from None
    declared = {"adapters": adapters, **{name: options[name] for name in _DECLARED_OPTIONS if name in options}}
    name = options.get("name") or urlsplit(endpoint.base_url).hostname or ""
    return DeclaredEndpoint(name, endpoint, declare_all(adapters), declared, pruning, requirements, revoked, connection)


def _adapters(where: str, written: object, server_store: str) -> list[dict]:
    adapters = at_paths(where, read_adapters(where, written), server_store)
    for number, adapter in enumerate(adapters, 1):
        if adapter.get("state", "present") not in ("present", "absent"):
            state = quoted(adapter["state"])
            raise refused(
                f"adapter {number} of {where} has the state {state}", "only present and absent can be declared"
            )
    return adapters
