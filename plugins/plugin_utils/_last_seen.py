# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of each endpoint: by asking it, or from Ansible's inventory cache."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass

from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._discovery import Answered, ask_all
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host_variables import (
    NAMES,
    host_variables,
    observed_from,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._sites import Site


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
