# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the modules that declare adapters: a whole node, and the case of one."""

from __future__ import annotations

from collections.abc import Mapping

from .._adapters.declaration import PRUNE_OPTIONS, check_prune_limit, declare, declare_all
from .._adapters.results import adapter_card, diff, entry_result, joined_failure
from .._converge.converge import Converged, converge
from .._errors import failure
from .._http.client import Client
from .argspec import adapter_spec, connection_spec, write_spec
from .operation import Operation


def _one_adapter(client: Client, options: Mapping, check_mode: bool) -> dict:
    converged = converge(client, (declare(options),), options["reload_strategy"], check_mode)
    (entry,) = converged.plan.entries
    result = _result(converged)
    result.update(action=entry.action, drift=entry.drift, adapter=adapter_card(entry, converged.after[entry.name]))
    return result


def _whole_node(client: Client, options: Mapping, check_mode: bool) -> dict:
    check_prune_limit(options["prune_limit"])
    converged = converge(
        client,
        declare_all(options["adapters"]),
        options["reload_strategy"],
        check_mode,
        prune=options["prune"],
        prune_exclude=options["prune_exclude"],
        prune_limit=options["prune_limit"],
    )
    result = _result(converged)
    result["adapters"] = [
        entry_result(entry, converged.after[entry.name], converged.failures.get(entry.name))
        for entry in converged.plan.entries
    ]
    result["summary"] = converged.plan.summary
    result["version"] = converged.version
    return result


def _result(converged: Converged) -> dict:
    """What both have in common."""
    result: dict = {}
    if converged.failures:
        result.update(failure(joined_failure(converged.failures, len(converged.plan.entries))))
    result["changed"] = converged.changed
    result["diff"] = diff(converged.plan, converged.after)
    result["cache_risk"] = bool(converged.cache_risk)
    warnings = [*converged.warnings, *filter(None, [converged.cache_risk])]
    return dict(result, warnings=warnings) if warnings else result


LORA_ADAPTER = Operation(dict(connection_spec(), **write_spec(), **adapter_spec()), _one_adapter)
LORA_ADAPTERS = Operation(
    dict(
        connection_spec(),
        **write_spec(),
        adapters={"type": "list", "elements": "dict", "required": True, "options": adapter_spec()},
        **PRUNE_OPTIONS,
    ),
    _whole_node,
)
