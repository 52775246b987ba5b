# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the weights in the memory of a server with recorded fingerprints, from time to time. Completions write nothing."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Sequence
from pathlib import Path

from sovereign_vllm.plugins.module_utils._adapters.models import Observed
from sovereign_vllm.plugins.module_utils._adapters.plan import Entry, Plan
from sovereign_vllm.plugins.module_utils._adapters.staged import folder_of
from sovereign_vllm.plugins.module_utils._errors import VllmError, printable, quoted
from sovereign_vllm.plugins.module_utils._vllm.answers import VERSION_ROUTE, read_version
from sovereign_vllm.plugins.module_utils._vllm.effect import distance
from sovereign_vllm.plugins.module_utils._vllm.fingerprint import (
    ATTEMPTS,
    TOLERANCE,
    Fingerprint,
    Origin,
    read_fingerprint,
)
from sovereign_vllm.plugins.module_utils._vllm.generation import (
    COMPLETIONS_ROUTE,
    completion,
    generation_error,
    read_completion,
)

from ._declaration_file import DeclaredEndpoint
from ._model_lists import ModelLists

_LOGGER = logging.getLogger("sovereign.vllm.drift")


class WatchedWeights:
    """The weights of one endpoint.

    :param directory: the directory with the fingerprints, which the role ``lora`` records; None if nothing is to be compared.
    :param interval: seconds between two measurements. A change of the served adapters is measured at once.
    """

    def __init__(self, directory: Path | None, interval: float, model_lists: ModelLists) -> None:
        self._directory = directory
        self._interval = interval
        self._model_lists = model_lists
        self._measured: Sequence[tuple[str, str]] | None = None
        self._measured_at = 0.0
        #: The adapters with other weights than were recorded, as of the last measurement.
        self.differing: frozenset[str] = frozenset()

    async def measure(self, target: DeclaredEndpoint, decided: Plan, now: float) -> bool:
        """Compare the adapters that are served as declared, if it is time; return whether the result has changed.

        :param now: seconds on any clock that never goes back.
        """
        entries = [entry for entry in decided.entries if entry.declared and entry.before and entry.keeps_path]
        served = [(entry.name, entry.path) for entry in entries]
        is_recent = served == self._measured and now - self._measured_at < self._interval
        if self._directory is None or is_recent or decided.server:
            return False
        before, self._measured, self._measured_at = self.differing, served, now
        try:
            self.differing = frozenset(await self._differing(target, decided.observed, entries))
        except VllmError as error:
            # The list was read, so the endpoint is reachable. What was measured last stays.
            _LOGGER.warning("Endpoint %s: %s", quoted(target.name), error.message)
        return self.differing != before

    async def _differing(self, target: DeclaredEndpoint, observed: Observed, entries: Sequence[Entry]) -> list[str]:
        file = Path(self._directory or "", f"{folder_of(target.name)}.json")
        recorded = await asyncio.to_thread(_read, file)
        if not any(entry.name in recorded for entry in entries):
            return []
        version = read_version(await self._model_lists.get(target.endpoint, VERSION_ROUTE))
        found = []
        for entry in entries:
            expected = recorded.get(entry.name)
            base = observed.base_model(entry.before.parent) if entry.before else None
            origin = Origin(entry.path, None, base.root if base else None, version)
            if not expected or not expected.origin.is_same_as(origin) or expected.route != COMPLETIONS_ROUTE:
                continue
            if await self._differs(target, entry.name, expected):
                found.append(entry.name)
        return found

    async def _differs(self, target: DeclaredEndpoint, name: str, expected: Fingerprint) -> bool:
        """Return whether no measurement is as expected. A server without log-probabilities tells nothing."""
        for _attempt in range(ATTEMPTS):
            # A salt keeps the answer free of the prefix cache.
            payload = completion(name, expected.prompts, secrets.token_hex(8))
            attempt = f"ask {quoted(name)} for log-probabilities"
            answer = await self._model_lists.post(target.endpoint, COMPLETIONS_ROUTE, payload, attempt)
            if answer.status != 200:
                raise generation_error(answer, attempt)
            reading = read_completion(answer, len(expected.prompts))
            if reading is None or distance(reading, expected.fresh) <= TOLERANCE:
                return False
        return True


def _read(file: Path) -> dict[str, Fingerprint]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {name: read_fingerprint(name, value) for name, value in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, RecursionError, VllmError) as problem:
        _LOGGER.warning("%s has no usable fingerprints, so no weights are compared: %s", file, printable(problem))
        return {}
