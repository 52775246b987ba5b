# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An endpoint of the fleet as a host of the inventory, and what the two ways to name one have in common."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ansible_collections.sovereign.vllm.plugins.module_utils._argspec import endpoint_of
from ansible_collections.sovereign.vllm.plugins.module_utils._endpoint import Endpoint
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, invalid_option, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site_key import NAMED_BY, key_in

_SHOWN = 5


@dataclass(frozen=True)
class Site:
    """One host. What cannot be asked has a ``problem`` in place of an endpoint.

    :param base_url: None where none could be made.
    :param variables: what the inventory file sets for it besides.
    """

    name: str
    base_url: str | None
    endpoint: Endpoint | None = None
    problem: VllmError | None = None
    variables: Mapping = field(default_factory=dict)


class Connection:
    """The connection options that all endpoints share.

    :raises VllmError: ``invalid_request`` when one cannot be used.
    """

    def __init__(self, options: Mapping) -> None:
        self._options = options
        self._endpoint("http://localhost", options.get("api_key"))

    def site(self, name: str, base_url: str, api_key_env: str | None = None, variables: Mapping | None = None) -> Site:
        """Return the site. One whose own key is missing or unusable is not asked: other keys are not its business.

        :raises VllmError: ``invalid_request`` when the URL cannot be used.
        """
        endpoint = self._endpoint(base_url, None)
        problem = None
        try:
            endpoint = self._endpoint(base_url, key_in(api_key_env) if api_key_env else self._options.get("api_key"))
        except VllmError as error:
            problem = error
        named = {NAMED_BY: api_key_env} if api_key_env else {}
        return Site(name, endpoint.base_url, None if problem else endpoint, problem, {**(variables or {}), **named})

    def _endpoint(self, base_url: str, api_key: str | None) -> Endpoint:
        return endpoint_of({**self._options, "base_url": base_url, "api_key": api_key})


def check_keys(option: str, entry: object, kinds: Mapping[str, type], required: Iterable[str]) -> None:
    """Hold a dictionary of the inventory file to the keys that it may and must have.

    :raises VllmError: ``invalid_request`` for the first mistake.
    """
    keys = ", ".join(kinds)
    if not isinstance(entry, Mapping):
        raise invalid_option(option, "is not a dictionary", f"write one with {keys}")
    for key, value in entry.items():
        if key not in kinds:
            raise invalid_option(f"{option}.{key}", "does not exist", f"there are {keys}")
        if not isinstance(value, kinds[key]):
            kind, advice = (
                ("string", "put it between quotes") if kinds[key] is str else ("dictionary", "write key: value")
            )
            raise invalid_option(f"{option}.{key}", f"is not a {kind}", advice)
    for key in required:
        if key not in entry:
            raise invalid_option(f"{option}.{key}", "is missing", "give it a value")


def shortened(names: Iterable[str]) -> str:
    """Return the first few of the names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(quoted, names[:_SHOWN])) + more


def problems_of(sites: Iterable[Site]) -> list[str]:
    """Return one line for each problem, with the hosts that have it."""
    names = defaultdict(list)
    for site in sites:
        if site.problem:
            names[site.problem.message].append(site.name)
    return [f"{message} (hosts: {shortened(hosts)})" for message, hosts in names.items()]
