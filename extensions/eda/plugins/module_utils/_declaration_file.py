# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declaration file: which endpoints there are, and which adapters each is to serve."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from sovereign_vllm.plugins.module_utils._adapters.declaration import (
    declare_all,
    read_adapters,
    without_artifacts,
)
from sovereign_vllm.plugins.module_utils._adapters.models import DeclaredAdapter
from sovereign_vllm.plugins.module_utils._adapters.pruning import PRUNE_OPTIONS, Pruning, read_pruning
from sovereign_vllm.plugins.module_utils._adapters.values import read_options
from sovereign_vllm.plugins.module_utils._errors import VllmError, printable, quoted
from sovereign_vllm.plugins.module_utils._vllm.endpoint import Endpoint

CONNECTION_OPTIONS = {
    "api_key_env": {"type": "str"},
    "validate_certs": {"type": "bool"},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path"},
    "use_proxy": {"type": "bool"},
    "timeout": {"type": "float"},
}
# The declaration of an endpoint is read by itself, wherever it stands.
_ANYTHING = {"type": "raw"}
_DEFAULT_OPTIONS = {"adapters": _ANYTHING, **PRUNE_OPTIONS, **CONNECTION_OPTIONS}
_ENDPOINT_OPTIONS = {"name": {"type": "str"}, "base_url": {"type": "str"}, **_DEFAULT_OPTIONS}
_FILE_OPTIONS = {"defaults": _ANYTHING, "endpoints": {"type": "list"}}
_PATH_OPTIONS = ("ca_path", "client_cert", "client_key")
_KEY_VARIABLE = "VLLM_API_KEY"
# Seconds. Shorter than that of the modules: an observation is repeated soon, a task is not.
_TIMEOUT = 10.0


@dataclass(frozen=True)
class DeclaredEndpoint:
    """One endpoint and what it is to serve.

    :param options: what ``vllm_lora_adapters`` is given to converge it: ``adapters`` and the options for pruning.
    :param connection: the connection options as they were declared, the key by the name of its variable.
    """

    name: str
    endpoint: Endpoint
    adapters: tuple[DeclaredAdapter, ...]
    options: Mapping
    pruning: Pruning
    connection: Mapping


class _Malformed(Exception):
    """What is wrong, and where."""


def read_declaration(file: Path, environment: Mapping[str, str]) -> tuple[DeclaredEndpoint, ...]:
    """Return the endpoints that the file declares.

    :param environment: where the keys are.
    :raises VllmError: ``invalid_request`` when the file is missing or malformed, with a sentence that says where.
    """
    try:
        return _endpoints(_parsed(file), environment)
    except (_Malformed, VllmError) as problem:
        raise VllmError("invalid_request", str(problem), attempt=f"use the declaration {quoted(file)}") from None


def _parsed(file: Path) -> object:
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".json":
            return json.loads(text)
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as problem:
        raise _Malformed(f"it cannot be read ({problem.strerror}); put it there, readable for this user") from None
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise _Malformed(f"it is no YAML ({printable(problem.problem)}{where}); correct it") from None
    except (ValueError, yaml.YAMLError, RecursionError) as problem:
        kind = "JSON" if file.suffix == ".json" else "YAML"
        raise _Malformed(f"it is no {kind} ({printable(problem)[:200]}); correct it") from None


def _endpoints(decoded: object, environment: Mapping[str, str]) -> tuple[DeclaredEndpoint, ...]:
    document = read_options("the file", decoded, _FILE_OPTIONS)
    defaults = _options("defaults", document.get("defaults", {}), _DEFAULT_OPTIONS)
    if not document.get("endpoints"):
        raise _Malformed("it declares no endpoint; list them under endpoints")
    found: dict[str, DeclaredEndpoint] = {}
    for number, item in enumerate(document["endpoints"], 1):
        written = {"base_url": item} if isinstance(item, str) else item
        own = _options(f"endpoint {number}", written, _ENDPOINT_OPTIONS)
        declared = _endpoint(f"endpoint {number}", {**defaults, **own}, environment)
        if declared.name in found:
            raise _Malformed(f"it declares endpoint {quoted(declared.name)} twice; give each a name of its own")
        found[declared.name] = declared
    return tuple(found.values())


def _options(where: str, written: object, specs: Mapping) -> dict:
    found = read_options(where, written, specs)
    # Null is no declaration, and must not become that of the defaults.
    return {**found, "adapters": None} if "adapters" in written and written["adapters"] is None else found


def _endpoint(where: str, options: Mapping, environment: Mapping[str, str]) -> DeclaredEndpoint:
    if "base_url" not in options:
        raise _Malformed(f"{where} has no base_url; write one like http://node:8000")
    if "adapters" not in options:
        raise _Malformed(f"{where} has no adapters, nor have the defaults; write an empty list to declare none")
    adapters = _adapters(f"the declaration of {where}", options["adapters"])
    connection = {option: options[option] for option in CONNECTION_OPTIONS if option in options}
    for option in _PATH_OPTIONS:
        if option in connection:
            connection[option] = os.path.expanduser(os.path.expandvars(connection[option]))
    reached = {"timeout": _TIMEOUT, **connection}
    variable = reached.pop("api_key_env", None)
    if variable and not environment.get(variable):
        raise _Malformed(f"{where} has its key in the variable {quoted(variable)}, which is not set; set it")
    try:
        endpoint = Endpoint(options["base_url"], environment.get(variable or _KEY_VARIABLE) or None, **reached)
        pruning = read_pruning(options)
    except VllmError as problem:
        raise _Malformed(f"{where}: {problem.message.rstrip('.')}") from None
    declared = {"adapters": adapters, **{name: options[name] for name in PRUNE_OPTIONS if name in options}}
    name = options.get("name") or urlsplit(endpoint.base_url).hostname
    return DeclaredEndpoint(name, endpoint, declare_all(adapters), declared, pruning, connection)


def _adapters(where: str, written: object) -> list[dict]:
    adapters = without_artifacts(where, read_adapters(where, written))
    for number, adapter in enumerate(adapters, 1):
        if adapter.get("state", "present") not in ("present", "absent"):
            state = quoted(adapter["state"])
            raise _Malformed(
                f"adapter {number} of {where} has the state {state}; only present and absent can be declared"
            )
    return adapters
