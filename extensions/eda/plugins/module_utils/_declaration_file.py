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

from .....plugins.module_utils._declaration import check_prune_limit, declare_all
from .....plugins.module_utils._endpoint import Endpoint
from .....plugins.module_utils._errors import VllmError, printable, quoted
from .....plugins.module_utils._models import DeclaredAdapter

ADAPTER_OPTIONS = {
    "name": str,
    "path": str,
    "base_model": str,
    "is_3d_lora_weight": bool,
    "allow_hub": bool,
    "state": str,
}
ADAPTER_ALIASES = {"lora_name": "name", "lora_path": "path", "base_model_name": "base_model"}
PRUNE_OPTIONS = {"prune": bool, "prune_exclude": list, "prune_limit": int}
CONNECTION_OPTIONS = {
    "api_key_env": str,
    "validate_certs": bool,
    "ca_path": str,
    "client_cert": str,
    "client_key": str,
    "use_proxy": bool,
    "timeout": float,
}
_DEFAULT_OPTIONS = {"adapters": list, **PRUNE_OPTIONS, **CONNECTION_OPTIONS}
_ENDPOINT_OPTIONS = {"name": str, "base_url": str, **_DEFAULT_OPTIONS}
_PATH_OPTIONS = ("ca_path", "client_cert", "client_key")
_KEY_VARIABLE = "VLLM_API_KEY"
# Seconds. Shorter than that of the modules: an observation is repeated soon, a task is not.
_TIMEOUT = 10.0
_KINDS = {str: "text", bool: "true or false", list: "a list", int: "a whole number", float: "a number"}


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
    except _Malformed as problem:
        raise VllmError("invalid_request", f"Could not use the declaration {quoted(file)}: {problem}.") from None


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
    document = _checked("the file", decoded, {"defaults": dict, "endpoints": list})
    defaults = _checked("defaults", document.get("defaults", {}), _DEFAULT_OPTIONS)
    if not document.get("endpoints"):
        raise _Malformed("it declares no endpoint; list them under endpoints")
    found: dict[str, DeclaredEndpoint] = {}
    for number, item in enumerate(document["endpoints"], 1):
        own = _checked(f"endpoint {number}", {"base_url": item} if isinstance(item, str) else item, _ENDPOINT_OPTIONS)
        declared = _endpoint(f"endpoint {number}", {**defaults, **own}, environment)
        if declared.name in found:
            raise _Malformed(f"it declares endpoint {quoted(declared.name)} twice; give each a name of its own")
        found[declared.name] = declared
    return tuple(found.values())


def _endpoint(where: str, options: Mapping, environment: Mapping[str, str]) -> DeclaredEndpoint:
    if "base_url" not in options:
        raise _Malformed(f"{where} has no base_url; write one like http://node:8000")
    if "adapters" not in options:
        raise _Malformed(f"{where} has no adapters, nor have the defaults; write an empty list to declare none")
    adapters = [_adapter(f"{where}, adapter {number}", item) for number, item in enumerate(options["adapters"], 1)]
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
        declared = declare_all(adapters)
        check_prune_limit(options.get("prune_limit"))
    except VllmError as problem:
        raise _Malformed(f"{where}: {problem.message.rstrip('.')}") from None
    pruning = {option: options[option] for option in PRUNE_OPTIONS if option in options}
    if not all(isinstance(glob, str) for glob in pruning.get("prune_exclude", [])):
        raise _Malformed(f"{where} has a prune_exclude that is not a list of text; quote each entry")
    name = options.get("name") or urlsplit(endpoint.base_url).hostname
    return DeclaredEndpoint(name, endpoint, declared, {"adapters": adapters, **pruning}, connection)


def _adapter(where: str, item: object) -> dict:
    if isinstance(item, dict):
        item = {ADAPTER_ALIASES.get(option, option): value for option, value in item.items()}
    adapter = _checked(where, item, ADAPTER_OPTIONS)
    if "name" not in adapter:
        raise _Malformed(f"{where} has no name; give the name that requests ask for")
    if adapter.get("state", "present") not in ("present", "absent"):
        raise _Malformed(f"{where} has the state {quoted(adapter['state'])}; only present and absent can be declared")
    return adapter


def _checked(where: str, value: object, options: Mapping[str, type]) -> dict:
    """Return the mapping without its nulls, if it has only these options, each of its kind."""
    if not isinstance(value, dict):
        raise _Malformed(f"{where} is not a mapping; write {', '.join(options)}")
    for option, given in value.items():
        if option not in options:
            raise _Malformed(f"{where} has the unknown option {quoted(option)}; use {', '.join(options)}")
        if given is not None and not _is(given, options[option]):
            raise _Malformed(f"{where} has an option {option} that is not {_KINDS.get(options[option], 'a mapping')}")
    return {option: given for option, given in value.items() if given is not None}


def _is(value: object, kind: type) -> bool:
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, kind)
