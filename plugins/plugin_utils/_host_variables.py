# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of each endpoint: by asking it, or from Ansible's inventory cache."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass

from ansible.module_utils.common.parameters import remove_values
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.models import BaseModel, Card, Observed
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._discovery import Answered, ask_all
from ansible_collections.sovereign.vllm.plugins.plugin_utils._sites import Site

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
            tuple(Card(a["name"], a["root"], a["parent"]) for a in adapters),
        )
    except (KeyError, TypeError):
        raise ValueError("not lists of base models and adapters") from None


@dataclass(frozen=True)
class Sight:
    """The variables of a host, and when its endpoint was asked, in seconds since the epoch; 0 if it was not."""

    asked_at: float
    variables: Mapping


def look_at(
    sites: Iterable[Site], remembered: Mapping[str, Sight], max_age: float | None, workers: int
) -> dict[str, Sight]:
    """Return by host what is seen of it, after asking those of which nothing young enough is remembered.

    :param max_age: seconds; 0 is any age, as for every cache of Ansible, and None asks all.
    :param workers: how many are asked at the same time at most.
    """
    now = time.time()
    last = {site.name: _of_same_server(site, remembered.get(site.name)) for site in sites}
    to_ask = {s.name: s.endpoint for s in sites if s.endpoint and not _is_young(last[s.name], max_age, now)}
    answers = ask_all(to_ask, workers)
    return {site.name: _sight_of(site, answers.get(site.name), last[site.name], now) for site in sites}


def _sight_of(site: Site, answer: Answered | VllmError | None, last: Sight | None, now: float) -> Sight:
    before = last.variables if last else None
    if site.endpoint is None:
        return Sight(0, host_variables(site.base_url, site.problem, before, now))
    if answer is None:
        return last
    return Sight(now, host_variables(site.base_url, answer, before, now, site.endpoint.api_key))


def _is_young(sight: Sight | None, max_age: float | None, now: float) -> bool:
    if sight is None or max_age is None or not sight.asked_at:
        return False
    return max_age == 0 or 0 <= now - sight.asked_at < max_age


def _of_same_server(site: Site, sight: Sight | None) -> Sight | None:
    moved = sight and site.base_url and sight.variables["vllm_base_url"] not in (None, site.base_url)
    return None if moved else sight


def recall(cache: MutableMapping, key: str) -> dict[str, Sight]:
    """Return by host what the cache holds.

    :raises ValueError: when that cannot be read, or is something else.
    """
    try:
        kept = cache.get(key)
    except Exception as error:
        # Each cache plugin has errors of its own.
        raise ValueError(str(error)) from None
    try:
        return {name: _recalled(**entry) for name, entry in ({} if kept is None else kept).items()}
    except (TypeError, AttributeError, ValueError):
        raise ValueError("it holds something else than the state of endpoints") from None


def remember(cache: MutableMapping, key: str, sights: Mapping[str, Sight]) -> None:
    """Have Ansible write this to the cache when the inventory has been parsed."""
    cache[key] = {
        name: {"asked_at": sight.asked_at, "variables": dict(sight.variables)} for name, sight in sights.items()
    }


def _recalled(asked_at: float, variables: Mapping) -> Sight:
    if set(variables) != NAMES:
        raise ValueError()
    observed_from(variables["vllm_base_url"], variables["vllm_base_models"], variables["vllm_lora_adapters"])
    return Sight(float(asked_at), variables)
