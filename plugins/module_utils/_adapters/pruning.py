# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which adapters are unloaded because they are not declared: the options, and the decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .._errors import VllmError, invalid_option, quoted
from .models import Card, Observed, shown_name
from .values import read_option

#: As in an argument spec. The module, the filter, the event source and the role take them as a whole.
PRUNE_OPTIONS: dict[str, dict] = {
    "prune": {"type": "bool", "default": False},
    "prune_exclude": {"type": "list", "elements": "str", "default": []},
    "prune_limit": {"type": "int"},
}


@dataclass(frozen=True)
class Pruning:
    """The values of these options.

    :raises VllmError: ``invalid_request`` if a value makes no sense.
    """

    prune: bool = False
    prune_exclude: Iterable[str] = ()
    prune_limit: int | None = None

    def __post_init__(self) -> None:
        if self.prune_limit is not None and self.prune_limit < 0:
            raise invalid_option("prune_limit", "must not be negative", "give 0 or more, or leave it out for no limit")

    def select(self, undeclared: Sequence[Card], url: str) -> set[str]:
        """Return the names of the adapters to unload.

        :param undeclared: the adapters that are served and not declared.
        :param url: the address of the server, for the error.
        :raises VllmError: ``prune_limit`` if there are more than that.
        """
        to_prune = [card.name for card in undeclared if self.prune and not self.excludes(card.name)]
        if self.prune_limit is not None and len(to_prune) > self.prune_limit:
            raise self._above_limit(to_prune, url)
        return set(to_prune)

    def select_leftovers(self, observed: Observed, declared: set[str]) -> tuple[Card, ...]:
        """Return the temporary names to unload: those of declared adapters, and of those that may be pruned."""
        return tuple(
            left
            for left in observed.rehearsals
            if shown_name(left.name) in declared or (self.prune and not self.excludes(shown_name(left.name)))
        )

    def excludes(self, name: str) -> bool:
        """Return True if the name may be served without a declaration."""
        return any(fnmatchcase(name, glob) for glob in self.prune_exclude)

    def _above_limit(self, names: Iterable[str], url: str) -> VllmError:
        listed = [quoted(name) for name in names]
        one_more = f"{len(listed)} adapter{'s' if len(listed) > 1 else ''} ({', '.join(listed)})"
        return VllmError(
            "prune_limit",
            f"this would unload {one_more}, and prune_limit is {self.prune_limit}",
            "add the adapters to keep to adapters or prune_exclude, or raise prune_limit",
            "prune",
            url,
        )


def read_pruning(given: Mapping, prefix: str = "") -> Pruning:
    """Return the options for pruning that are given, in their types.

    :param given: can have other options as well.
    :param prefix: begins the names of the options, such as ``lora_`` in variables of a host.
    :raises VllmError: ``invalid_request``, with a sentence that names the option as it is given.
    """
    found: dict = {
        name: read_option(f"{prefix}{name}", given.get(f"{prefix}{name}"), spec) for name, spec in PRUNE_OPTIONS.items()
    }
    return Pruning(**{name: value for name, value in found.items() if value is not None})
