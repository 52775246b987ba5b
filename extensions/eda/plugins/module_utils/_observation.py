# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one look at an endpoint shows: in sync, drifted or unreachable."""

from __future__ import annotations

from dataclasses import dataclass

from .....plugins.module_utils._answers import Answer
from .....plugins.module_utils._errors import VllmError
from .....plugins.module_utils._model_list import read_model_list
from .....plugins.module_utils._plan import Entry, plan
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
    pruning = {option: value for option, value in target.options.items() if option != "adapters"}
    try:
        decided = plan(target.adapters, observed, **pruning)
    except VllmError as error:
        return Observation(DRIFTED, error=error, outlives_engine=observed.rust_front_end)
    difference = tuple(entry for entry in decided.entries if entry.drift != "none")
    state = DRIFTED if difference else IN_SYNC
    return Observation(state, difference, decided.summary, outlives_engine=observed.rust_front_end)
