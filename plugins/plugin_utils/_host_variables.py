# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory tells about an endpoint: the variables of its host, written here and read back here."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ansible.module_utils.common.parameters import remove_values
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.module_utils._models import BaseModel, Observed, ServedAdapter
from ansible_collections.sovereign.vllm.plugins.plugin_utils._discovery import Answered

_NEVER_SEEN = {
    "vllm_base_models": [],
    "vllm_lora_adapters": [],
    "vllm_version": None,
    "vllm_observed_at": None,
    "vllm_stale": False,
}
#: Every variable that the inventory sets.
NAMES = frozenset(("vllm_base_url", "vllm_reachable", "vllm_error", *_NEVER_SEEN))


def host_variables(
    base_url: str | None, found: Answered | VllmError, last: Mapping | None, now: float, api_key: str | None = None
) -> dict:
    """Return the variables of the host.

    :param base_url: None where none could be made.
    :param last: the variables of the time before, if any are remembered.
    :param now: seconds since the epoch.
    :param api_key: what is struck out if the server repeats it, as in the results of modules.
    """
    if isinstance(found, VllmError):
        seen = {name: last[name] for name in _NEVER_SEEN} if last else dict(_NEVER_SEEN)
        seen["vllm_stale"] = seen["vllm_observed_at"] is not None
        error = {"code": found.code, "msg": found.message}
    else:
        error = None
        seen = {
            "vllm_base_models": [base_model.as_dict() for base_model in found.observed.base_models],
            "vllm_lora_adapters": [adapter.as_dict() for adapter in found.observed.adapters_of_users],
            "vllm_version": found.version,
            "vllm_observed_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
            "vllm_stale": False,
        }
    variables = {"vllm_base_url": base_url, "vllm_reachable": error is None, "vllm_error": error, **seen}
    return remove_values(variables, [api_key]) if api_key else variables


def observed_from(url: str | None, base_models: object, adapters: object) -> Observed:
    """Return what was seen to be served, from the lists that the variables and the results of modules hold.

    :raises ValueError: when these are not such lists.
    """
    try:
        return Observed(
            url or "",
            tuple(BaseModel(m["id"], m["root"], m["max_model_len"], tuple(m["aliases"])) for m in base_models),
            tuple(ServedAdapter(a["name"], a["root"], a["parent"]) for a in adapters),
        )
    except (KeyError, TypeError):
        raise ValueError("not lists of base models and adapters") from None
