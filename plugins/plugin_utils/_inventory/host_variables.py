# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of each endpoint, from its answers or from Ansible's inventory cache."""

from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Collection, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.common.parameters import remove_values
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.models import BaseModel, Card, Observed
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.clock import utc
from ansible_collections.sovereign.vllm.plugins.plugin_utils._inventory.discovery import Answered, ask_all
from ansible_collections.sovereign.vllm.plugins.plugin_utils._inventory.sites import Site

try:
    from ansible.template import trust_as_template
except ImportError:  # before ansible-core 2.19, text without a mark is trusted
    trust_as_template = str  # type: ignore[assignment]

# To mark a text takes several times as long as to look it up, and the sites of a fleet serve the same names and paths.
_trusted = functools.lru_cache(maxsize=10_000)(trust_as_template)


_NEVER_SEEN: dict = {
    "vllm_base_models": [],
    "vllm_served_adapters": [],
    "vllm_server_version": None,
    "vllm_observed_at": None,
    "vllm_stale": False,
}
#: Every variable that the inventory sets.
NAMES = frozenset(("vllm_base_url", "vllm_reachable", "vllm_error", *_NEVER_SEEN))


def host_variables(
    base_url: str | None, found: Answered | VllmError, last: Mapping | None, now: float, api_key: str | None = None
) -> dict:
    """Return the variables of the host.

    :param base_url: None if the host has no usable address.
    :param last: the variables in the cache, if there are any.
    :param now: seconds since the epoch.
    :param api_key: the key of the server. If the server repeats it, it is censored, as in the results of modules.
    """
    if isinstance(found, VllmError):
        seen = {name: last[name] for name in _NEVER_SEEN} if last else dict(_NEVER_SEEN)
        seen["vllm_stale"] = seen["vllm_observed_at"] is not None
        error = {"code": found.code, "msg": found.message}
    else:
        error = None
        seen = {
            "vllm_base_models": [base_model.as_dict() for base_model in found.observed.base_models],
            "vllm_served_adapters": [adapter.as_dict() for adapter in found.observed.adapters_of_users],
            "vllm_server_version": found.version,
            "vllm_observed_at": utc(now),
            "vllm_stale": False,
        }
    variables = {"vllm_base_url": base_url, "vllm_reachable": error is None, "vllm_error": error, **seen}
    return _without(api_key, variables) if api_key else variables


def _without(api_key: str, variables: dict) -> dict:
    """Censor the key. To do that takes as long as to ask the server, so look for the key first."""
    return remove_values(variables, [api_key]) if json.dumps(api_key)[1:-1] in json.dumps(variables) else variables


# Text without any of these is no part of a template. A template can also begin with `#jinja2:`, and name delimiters of its own there.
_OF_TEMPLATES = re.compile("[{}%#]")


def as_data(value: Any) -> Any:
    """Return variables of a host, marked so that Ansible does not evaluate text from servers as a template.

    Text that cannot be part of one counts as trusted. So whoever stores an exported inventory, as AWX does, shows no marks in place
    of text.
    """
    if isinstance(value, dict):
        return {name: as_data(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_data(item) for item in value]
    if not isinstance(value, str):
        return value
    return wrap_var(value) if _OF_TEMPLATES.search(value) else _trusted(value)


def observed_from(url: str | None, base_models: Any, adapters: Any) -> Observed:
    """Return the list of models that the variables of a host or the results of a module hold.

    :raises ValueError: if they are not lists of base models and adapters.
    """
    try:
        return Observed(
            url or "",
            tuple(BaseModel(m["id"], m["root"], m["max_model_len"], tuple(m["aliases"])) for m in base_models),
            tuple(Card(a["name"], a["root"], a["parent"]) for a in adapters),
        )
    except (KeyError, TypeError):
        raise ValueError("not lists of base models and adapters") from None


@dataclass(frozen=True)
class CachedState:
    """The variables of a host, and the time of the last request to its endpoint, in seconds since the epoch (0: never)."""

    asked_at: float
    variables: Mapping


def refresh(
    sites: Collection[Site], remembered: Mapping[str, CachedState], max_age: float | None, workers: int
) -> dict[str, CachedState]:
    """Ask every endpoint whose cached state is missing or too old. Return the state of each host.

    :param max_age: seconds. 0 is any age, as for every cache of Ansible. None asks all endpoints.
    :param workers: limit of endpoints that are asked at the same time.
    """
    now = time.time()
    last = {site.name: _of_same_server(site, remembered.get(site.name)) for site in sites}
    states = {s.name: state for s in sites if s.endpoint and (state := last[s.name]) and _is_young(state, max_age, now)}
    answers = ask_all({s.name: s.endpoint for s in sites if s.endpoint and s.name not in states}, workers)
    for site in sites:
        answer = site.problem or answers.get(site.name)
        if answer:
            states[site.name] = _state_of(site, answer, last[site.name], now)
    return states


def _state_of(site: Site, answer: Answered | VllmError, last: CachedState | None, now: float) -> CachedState:
    asked_at, api_key = (now, site.endpoint.api_key) if site.endpoint else (0, None)
    return CachedState(asked_at, host_variables(site.base_url, answer, last.variables if last else None, now, api_key))


def _is_young(state: CachedState, max_age: float | None, now: float) -> bool:
    if max_age is None or not state.asked_at:
        return False
    return max_age == 0 or 0 <= now - state.asked_at < max_age


def _of_same_server(site: Site, state: CachedState | None) -> CachedState | None:
    moved = state and site.base_url and state.variables["vllm_base_url"] not in (None, site.base_url)
    return None if moved else state


def recall(cache: MutableMapping, key: str) -> dict[str, CachedState]:
    """Return the cached state of each host.

    :raises ValueError: if the cache cannot be read, or holds something else.
    """
    try:
        kept = cache.get(key)
    except Exception as error:
        # Each cache plugin has its own errors.
        raise ValueError(str(error)) from None
    try:
        return {name: _recalled(**entry) for name, entry in ({} if kept is None else kept).items()}
    except (TypeError, AttributeError, ValueError):
        raise ValueError("it holds something else than the state of endpoints") from None


def remember(cache: MutableMapping, key: str, states: Mapping[str, CachedState]) -> None:
    """Have Ansible write the states to the cache once the inventory is parsed."""
    cache[key] = {
        name: {"asked_at": state.asked_at, "variables": dict(state.variables)} for name, state in states.items()
    }


def _recalled(asked_at: float, variables: Mapping) -> CachedState:
    if set(variables) != NAMES:
        raise ValueError()
    observed_from(variables["vllm_base_url"], variables["vllm_base_models"], variables["vllm_served_adapters"])
    return CachedState(float(asked_at), variables)
