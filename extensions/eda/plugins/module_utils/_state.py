# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From observations to changes of state: debounced, and each told once."""

from __future__ import annotations

from dataclasses import dataclass

from sovereign_vllm.plugins.module_utils._adapters.plan import Entry, plan
from sovereign_vllm.plugins.module_utils._errors import VllmError
from sovereign_vllm.plugins.module_utils._vllm.answers import Answer
from sovereign_vllm.plugins.module_utils._vllm.model_list import read_model_list

from ._declaration_file import DeclaredEndpoint

IN_SYNC, DRIFTED, UNREACHABLE = "in_sync", "drifted", "unreachable"


@dataclass(frozen=True)
class Observation:
    """One look.

    :param difference: the adapters that are not as declared.
    :param summary: the number of adapters by drift.
    :param error: why an endpoint is unreachable, or why what is declared cannot be served there.
    :param outlives_engine: the list proves nothing before ``/health`` has been asked as well.
    """

    state: str
    difference: tuple[Entry, ...] = ()
    summary: dict | None = None
    error: VllmError | None = None
    outlives_engine: bool = False

    @property
    def drift(self) -> object:
        """What makes one drift differ from another."""
        return (self.error.code, self.error.message) if self.error else self.difference


def judge(target: DeclaredEndpoint, answer: Answer) -> Observation:
    """Compare an answer with what is declared. From an answer that is no vLLM model list nothing is concluded."""
    try:
        observed = read_model_list(answer, target.endpoint.base_url)
    except VllmError as error:
        return Observation(UNREACHABLE, error=error)
    try:
        decided = plan(target.adapters, observed, target.pruning)
    except VllmError as error:
        return Observation(DRIFTED, error=error, outlives_engine=observed.rust_front_end)
    difference = tuple(entry for entry in decided.entries if entry.drift != "none")
    state = DRIFTED if difference else IN_SYNC
    return Observation(state, difference, decided.summary, outlives_engine=observed.rust_front_end)


class EndpointState:
    """What has been told of one endpoint, and what is about to be.

    An endpoint is taken for reachable and in sync until an observation shows otherwise. While it is unreachable nothing
    is known about its drift; so when it comes back, a drift is told even if it is the one that was told before.
    """

    def __init__(self, debounce: int, repeat_after: float | None) -> None:
        self._debounce = debounce
        self._repeat_after = repeat_after
        self._unreachable = False
        self._drift: object = None
        self._told_at = 0.0
        self._pending = ""
        self._agreeing = 0
        #: How often the drift that lasts has been told again.
        self.repeated = 0

    @property
    def is_confirming(self) -> bool:
        """Whether a change has been seen, but not often enough to be told."""
        return self._agreeing > 0

    def stop_confirming(self) -> None:
        """Begin anew with what is about to be told: the observations so far were of something else."""
        self._agreeing = 0

    def changes(self, seen: Observation, now: float) -> tuple[str, ...]:
        """Return the states to tell, in order; none unless a change is confirmed.

        :param now: seconds on any clock that never goes back.
        """
        if not self._is_news(seen, now):
            self._agreeing = 0
            return ()
        self._agreeing = self._agreeing + 1 if seen.state == self._pending else 1
        self._pending = seen.state
        if self._agreeing < self._debounce:
            return ()
        self._agreeing = 0
        return self._told(seen, now)

    def _is_news(self, seen: Observation, now: float) -> bool:
        if seen.state == UNREACHABLE:
            return not self._unreachable
        if self._unreachable:
            return True
        if seen.state == IN_SYNC:
            return self._drift is not None
        return seen.drift != self._drift or self._is_to_repeat(now)

    def _is_to_repeat(self, now: float) -> bool:
        return self._repeat_after is not None and now - self._told_at >= self._repeat_after

    def _told(self, seen: Observation, now: float) -> tuple[str, ...]:
        if seen.state == UNREACHABLE:
            self._unreachable = True
            return ("unreachable",)
        back = ("reachable",) if self._unreachable else ()
        if seen.state == DRIFTED:
            self.repeated = 0 if back or seen.drift != self._drift else self.repeated + 1
            self._drift, self._told_at, self._unreachable = seen.drift, now, False
            return (*back, "drifted")
        recovered = ("recovered",) if self._drift is not None else ()
        self._drift, self._unreachable = None, False
        return back + recovered
