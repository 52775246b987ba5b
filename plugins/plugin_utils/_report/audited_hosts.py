# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare hosts with their declarations, from the variables that Ansible has of them, without a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import (
    declare_all,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.models import Observed
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import DRIFTS, Plan, plan, verdict_of
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.pruning import PRUNE_OPTIONS, read_pruning
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.results import (
    entry_result,
    planned,
    verdict_result,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.revocation import REVOKE_OPTIONS, read_revoked
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import CompleteError, VllmError
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.requirements import (
    REQUIRE_OPTIONS,
    read_requirements,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.resolution import (
    Resolved,
    artifacts_below,
    resolved,
    settings_of,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.reader import Host
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain
from ansible_collections.sovereign.vllm.plugins.plugin_utils._inventory.host_variables import observed_from
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.drift_report import (
    failed_over_variable,
    not_declared,
)

#: The options of a declaration beside its adapters, as in an argument spec.
OPTIONS = {**PRUNE_OPTIONS, **REQUIRE_OPTIONS, **REVOKE_OPTIONS}
#: The variables of a host with these options have this prefix.
PREFIX = "lora_"
_DECLARED = "lora_adapters"
_SHOWN = ("vllm_base_url", "vllm_server_version", "vllm_observed_at")
# Groups that tell nothing beside the verdict: of the inventory plugin, and those that plays of this collection make.
_STATES = ("ungrouped", "vllm_reachable", "vllm_unreachable")
_OF_RUNS = ("lora_", "drift_report_")
# The result of a module names no address.
_NO_ADDRESS = "the server"


class NotObservedError(Exception):
    """The input is neither a host of the inventory nor the result of a module."""

    def __str__(self) -> str:
        return (
            "the input is neither the variables of a host of the inventory sovereign.vllm.vllm nor the result of "
            "sovereign.vllm.vllm_base_model_info"
        )


def compare(observed: Mapping, declared: Resolved, options: Mapping, prefix: str = "") -> dict:
    """Return the result that ``vllm_lora_adapters`` would have in check mode, or the reason why it is not known.

    :param observed: the variables of a host of the inventory, or the result of ``vllm_base_model_info``, plain data.
    :param options: has those of :data:`OPTIONS` that are given, under their names after the prefix, plain data.
    :raises VllmError: ``invalid_request`` if an option cannot be used.
    :raises NotObservedError: if ``observed`` is something else.
    """
    adapters = declare_all(declared.adapters)
    pruning, requirements = read_pruning(options, prefix), read_requirements(options, prefix)
    revoked = read_revoked(options, prefix)
    try:
        seen = observed_in(observed)
        old = declared.superseded_globs([card.as_dict() for card in seen.adapters_of_users])
        pruning = replace(pruning, prune_exclude=[*pruning.prune_exclude, *old])
        version = observed.get("vllm_server_version") or observed.get("version")
        differences = requirements.differences(seen, version and str(version))
        return _result(plan(adapters, seen, pruning, differences, revoked=revoked))
    except VllmError as error:
        return no_result(error)


def _result(decided: Plan) -> dict:
    after, verdict = planned(decided), verdict_result(decided)
    return {
        "changed": decided.changed,
        "unreachable": False,
        "failed": False,
        **verdict,
        "plan_id": None if decided.observed.url == _NO_ADDRESS else verdict["plan_id"],
        "adapters": [entry_result(entry, after[entry.name]) for entry in decided.entries],
        "msg": "",
        "error": None,
    }


def no_result(error: VllmError) -> dict:
    """Return the result for a server that could not be compared."""
    return {
        "changed": False,
        "unreachable": error.is_unreachable,
        "failed": not error.is_unreachable,
        "verdict": verdict_of(error.code),
        "plan_id": None,
        "server": [],
        "adapters": [],
        "summary": dict.fromkeys(DRIFTS, 0),
        "msg": error.message,
        "error": error.as_dict(),
    }


def observed_in(given: Mapping) -> Observed:
    """Return the list of models in the input.

    :param given: what :func:`observation_in` returns.
    :raises NotObservedError: if the input is no observation.
    :raises VllmError: the reason why the input has no list.
    """
    if "vllm_reachable" in given:
        error, unseen = given.get("vllm_error"), not given["vllm_reachable"]
        url, lists = given.get("vllm_base_url"), ("vllm_base_models", "vllm_served_adapters")
    else:
        error, unseen = given.get("error"), bool(given.get("failed") or given.get("unreachable"))
        url, lists = _NO_ADDRESS, ("base_models", "adapters")
    if unseen:
        raise _reason(error, given)
    try:
        observed = observed_from(url, *(given.get(name) for name in lists))
    except ValueError:
        raise NotObservedError from None
    if not observed.base_models:
        # A list without a base model may not be complete.
        raise NotObservedError
    return observed


def _reason(error: object, given: Mapping) -> VllmError:
    """Return the error of the input. The inventory has the message in the error, and a result has it beside the error."""
    error = error if isinstance(error, Mapping) else {}
    code = error.get("code") or ("unreachable" if given.get("unreachable") else "server_error")
    message = error.get("msg") or given.get("msg") or "The server was not seen."
    return CompleteError(
        code,
        message,
        error.get("hint") or "",
        http_status=error.get("http_status"),
        detail=error.get("detail") or "",
    )


_OBSERVATION = (
    "vllm_reachable",
    "vllm_error",
    "vllm_base_url",
    "vllm_base_models",
    "vllm_served_adapters",
    "vllm_server_version",
)
_RESULT = ("failed", "unreachable", "msg", "error", "base_models", "adapters", "version")


def observation_in(given: object) -> dict:
    """Return what :func:`compare` reads in the variables of a host or the result of a module, as plain data.

    :raises NotObservedError: if it is neither.
    """
    if not isinstance(given, Mapping):
        raise NotObservedError
    names = _OBSERVATION if "vllm_reachable" in given else _RESULT
    return {name: plain(given[name]) for name in names if name in given}


def _unchanged(value: object) -> object:
    return value


def audited_sites(
    hostvars: Mapping, sites: Sequence[str], awaited: Sequence[str], result: str, findings: str, declared: str | None
) -> tuple[Iterator[dict], list[str]]:
    """Return the sites as ``report`` takes them, and the names of those that the audit reaches later.

    :param hostvars: Ansible's variable of this name.
    :param awaited: names of hosts that may have no result yet.
    :param result: the variable with the result of an audit.
    :param findings: the variable with the result of ``vllm_server_info``.
    :param declared: the variable with the declared adapters, if the state in the inventory is compared with them; then
        ``result`` is not read, and no host is awaited.
    """
    later = [] if declared else [name for name in awaited if Host(hostvars, name).get(result) is None]
    left_out = set(later)
    hosts = ((name, Host(hostvars, name)) for name in sites if name not in left_out)
    return (_site(name, host, result, findings, declared) for name, host in hosts), later


def _site(name: str, host: Host, result: str, findings: str, declared: str | None) -> dict:
    shown = {key: host.text(key) for key in _SHOWN}
    try:
        found = _audited(host, result, declared, shown["vllm_base_url"])
    except VllmError as error:
        found = no_result(error)
    try:
        server = host.get(findings)
    except VllmError:
        server = None
    groups = [group for group in host.groups if group not in _STATES and not group.startswith(_OF_RUNS)]
    return {"name": str(name), "result": found, "variables": shown, "server": server, "groups": groups}


def _audited(host: Host, result: str, declared: str | None, url: str | None) -> Any:
    variable = declared or _DECLARED
    if declared and declared not in host:
        return not_declared(declared, list(host))
    error = host.get("vllm_error") if url is None else None
    if error:
        # The inventory knows why the host has no address. It was not asked.
        return no_result(_reason(error, {}))
    if not declared:
        found = host.get(result)
        is_undeclared = variable not in host and failed_over_variable(variable, found)
        return not_declared(variable, list(host)) if is_undeclared else found
    settings = settings_of(host, _unchanged, declaration=declared)
    options = {f"{PREFIX}{name}": settings.get(name) for name in OPTIONS}
    adapters = resolved(settings, artifacts_below(host.text("playbook_dir") or "."), where=declared)
    try:
        return compare({name: host.get(name) for name in _OBSERVATION if name in host}, adapters, options, PREFIX)
    except NotObservedError:
        raise refused("the inventory sovereign.vllm.vllm did not see this host", "add it to the inventory") from None
