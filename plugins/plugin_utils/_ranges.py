# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's ranges of hosts, such as ``[001:200]``, ``[a:f]`` and ``[01:10:3]``, in names and URLs."""

from __future__ import annotations

import ipaddress
import itertools
import re

from ansible.errors import AnsibleError
from ansible.plugins.inventory import expand_hostname_range
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import invalid_option, quoted

_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_ADVICE = "write it like [001:200], [a:f] or [0:9:3], as in any inventory of Ansible"


def expand(option: str, text: str) -> list[str]:
    """Return all that ``text`` stands for.

    :param option: where it was written, for the error sentence.
    :raises VllmError: ``invalid_request`` for a range that does not parse.
    """
    return [expanded for expanded, _same in expand_in_step((option, text), (option, text))]


def expand_in_step(names: tuple[str, str], urls: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the names with the URL of each. Both parameters are an option and what was written there.

    A range of the URL goes in step with the same range of the name, or else with the one at the same place, so that
    ``edge[001:200]`` can be at ``10.0.0.[1:200]``.

    :raises VllmError: ``invalid_request`` for a range that does not parse, or that has none to go in step with.
    """
    name, url = _Ranged(*names), _Ranged(*urls)
    partners = [_partner(name, url, place) for place in range(len(url.ranges))]
    steps = itertools.product(*(range(len(values)) for values in name.values))
    return [(name.text(step), url.text([step[partner] for partner in partners])) for step in steps]


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
            raise self._bad_range(range_, "its ends must be numbers or letters, its step a number above 0") from None
        if not values:
            raise self._bad_range(range_, "it is empty")
        return values

    def _bad_range(self, range_: str, why: str) -> Exception:
        return invalid_option(self.option, f"has the range {quoted(range_)}, which does not parse ({why})", _ADVICE)


def _partner(name: _Ranged, url: _Ranged, place: int) -> int:
    """Return the place of the range in the name that the one in the URL goes in step with."""
    range_ = url.ranges[place]
    partner = name.ranges.index(range_) if range_ in name.ranges else place
    if partner >= len(name.ranges) or len(name.values[partner]) != len(url.values[place]):
        problem = f"has the range {quoted(range_)}, which the name has no range of the same length for"
        raise invalid_option(url.option, problem, "write the same range in both")
    return partner


def _is_address(text: str) -> bool:
    """Whether the brackets hold an IPv6 address. No range is one: that would have no end."""
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
