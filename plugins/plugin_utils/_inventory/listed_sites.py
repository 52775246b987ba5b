# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``endpoints`` of the inventory."""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from ansible.errors import AnsibleError
from ansible.plugins.inventory import expand_hostname_range
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, invalid_option, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import KEY_VARIABLE
from ansible_collections.sovereign.vllm.plugins.plugin_utils._inventory.host_variables import NAMES
from ansible_collections.sovereign.vllm.plugins.plugin_utils._inventory.sites import (
    Site,
    check_keys,
    checked_url,
    shortened,
)

_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_ADVICE = "write it like [001:200], [a:f] or [0:9:3], as in any inventory of Ansible"


def expand_in_step(leader: tuple[str, str], *followers: tuple[str, str]) -> list[tuple[str, ...]]:
    """Return the texts that the leader stands for, each with the text of every follower. Parameters are the name of an option
    and its value.

    A range of a follower advances with the same range of the leader, or else with the range at the same place: the host
    ``edge[001:200]`` can be at ``10.0.0.[1:200]``.

    :raises VllmError: ``invalid_request`` for a range that does not parse, or that has no range of the leader to follow.
    """
    first, rest = _Ranged(*leader), [_Ranged(*follower) for follower in followers]
    partners = [[_partner(first, one, place) for place in range(len(one.ranges))] for one in rest]
    steps = itertools.product(*(range(len(values)) for values in first.values))
    return [
        (
            first.text(step),
            *(one.text([step[place] for place in places]) for one, places in zip(rest, partners, strict=True)),
        )
        for step in steps
    ]


class _Ranged:
    """Literal pieces with ranges between them."""

    def __init__(self, option: str, text: str) -> None:
        self.option = option
        self.literals = [""]
        self.ranges: list[str] = []
        for place, piece in enumerate(_BRACKETS.split(text)):
            if place % 2 and _is_address(piece):
                self.literals[-1] += f"[{piece}]"
            elif place % 2:
                self.ranges.append(f"[{piece}]")
                self.literals.append("")
            else:
                self._refuse_lone_bracket(piece)
                self.literals[-1] += piece
        self.values = [self._values(range_) for range_ in self.ranges]

    def text(self, step: list[int] | tuple[int, ...]) -> str:
        values = [values[number] for values, number in zip(self.values, step, strict=True)]
        return "".join(itertools.chain(*itertools.zip_longest(self.literals, values, fillvalue="")))

    def _refuse_lone_bracket(self, literal: str) -> None:
        if "[" in literal or "]" in literal:
            raise invalid_option(self.option, "has a bracket without its partner", _ADVICE)

    def _values(self, range_: str) -> list[str]:
        try:
            values = expand_hostname_range(range_)
        except AnsibleError as error:
            raise self._bad_range(range_, str(error)) from None
        except ValueError:
            raise self._bad_range(range_, "its ends must be numbers or letters, and its step above 0") from None
        if not values:
            raise self._bad_range(range_, "it is empty")
        return values

    def _bad_range(self, range_: str, why: str) -> Exception:
        return invalid_option(self.option, f"has the range {quoted(range_)}, which does not parse ({why})", _ADVICE)


def _partner(leader: _Ranged, follower: _Ranged, place: int) -> int:
    """Return the place of the range in the leader that this range of the follower advances with."""
    range_ = follower.ranges[place]
    partner = leader.ranges.index(range_) if range_ in leader.ranges else place
    if partner >= len(leader.ranges) or len(leader.values[partner]) != len(follower.values[place]):
        kind = "name" if leader.option.endswith(".name") else "URL"
        problem = f"has the range {quoted(range_)}, and the {kind} has no range of the same length"
        raise invalid_option(follower.option, problem, "write the same range in both")
    return partner


def _is_address(text: str) -> bool:
    """Return whether the brackets hold an IPv6 address. No range is an IPv6 address, since a range has an end."""
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


# Parts of a checked address: scheme, host, port, path.
_ADDRESS = re.compile(r"(https?)://\[?(.+?)\]?(?::(\d*))?((?:/.*)?)")
_PORTS = {"http": "80", "https": "443"}
_KINDS = {"base_url": str, "name": str, "api_key_env": str, "vars": Mapping}


def listed_sites(entries: Iterable[object]) -> list[Site]:
    """Return one site for each URL, ranges expanded, to be completed.

    :raises VllmError: ``invalid_request``, with one line for each mistake.
    """
    sites: list[Site] = []
    mistakes: list[str] = []
    for number, entry in enumerate(entries):
        try:
            sites += _sites_of(f"endpoints[{number}]", entry)
        except VllmError as mistake:
            mistakes.append(mistake.message)
    hosts = {_server(site): site.name for site in sites}
    mistakes += _repetitions("server", map(_server, sites), "list each one once")
    mistakes += _repetitions("host", hosts.values(), "give each entry its own name")
    if mistakes:
        raise VllmError("invalid_request", "\n".join(mistakes))
    return sites


def _sites_of(option: str, entry: object) -> list[Site]:
    if isinstance(entry, str):
        entry = {"base_url": entry}
    elif not isinstance(entry, Mapping):
        raise invalid_option(option, "is neither a URL nor a dictionary", "write it like http://node:8000")
    check_keys(option, entry, _KINDS, required=["base_url"])
    _check_values(option, entry)
    return [_site(option, entry, *texts) for texts in _texts(option, entry)]


def _check_values(option: str, entry: Mapping) -> None:
    name = entry.get("name", "unnamed")
    if not name.strip() or not name.isprintable():
        raise invalid_option(f"{option}.name", "is empty or has invisible characters", "give a name, or leave it out")
    taken = [variable for variable in entry.get("vars", {}) if variable in {*NAMES, KEY_VARIABLE}]
    if taken:
        problem = f"has {shortened(taken)}, which the inventory sets itself"
        raise invalid_option(f"{option}.vars", problem, "choose another name")


def _texts(option: str, entry: Mapping) -> list[tuple[str, ...]]:
    """Return the name, the URL and the variable of the key of each server. Text that is not given is empty."""
    name, url, key = ((f"{option}.{kind}", entry.get(kind, "")) for kind in ("name", "base_url", "api_key_env"))
    if "name" in entry:
        return expand_in_step(name, url, key)
    return [("", url_, key_) for url_, key_ in expand_in_step(url, key)]


def _site(option: str, entry: Mapping, name: str, url: str, key_variable: str) -> Site:
    try:
        url = checked_url(url)
    except VllmError as error:
        raise VllmError(error.code, f"{option}: {error.message}") from None
    variables = {**entry.get("vars", {}), **({KEY_VARIABLE: key_variable} if key_variable else {})}
    return Site(name or _address(url)[1], url, variables=variables)


def _repetitions(kind: str, values: Iterable[str], advice: str) -> list[str]:
    repeated = [value for value, times in Counter(values).items() if times > 1]
    return (
        [invalid_option("endpoints", f"repeats the {kind} {shortened(repeated)}", advice).message] if repeated else []
    )


def _server(site: Site) -> str:
    """Return the address with a port and with the host in lower case, the same for all spellings of one server."""
    scheme, host, port, path = _address(site.base_url or "")
    return f"{scheme}://{host.lower()}:{port or _PORTS[scheme]}{path}"


def _address(url: str) -> tuple[str, ...]:
    found = _ADDRESS.fullmatch(url)
    return found.groups() if found else ()
