# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From observations to events: compare with the declaration, confirm changes of state, and report each once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sovereign_vllm.plugins.module_utils._adapters.models import normalised
from sovereign_vllm.plugins.module_utils._adapters.plan import Entry, plan, verdict_of
from sovereign_vllm.plugins.module_utils._errors import VllmError, printable, quoted
from sovereign_vllm.plugins.module_utils._vllm.answers import Answer
from sovereign_vllm.plugins.module_utils._vllm.model_list import read_model_list

from ._declaration_file import DeclaredEndpoint

# The verdicts on a site that have a meaning of their own here.
_IN_SYNC, _DRIFTED, _UNREACHABLE = "in_sync", "drifted", "unreachable"
#: A difference shows no more adapters, and a text no more characters: a hostile server could list millions.
SHOWN_ADAPTERS = 100
SHOWN_CHARACTERS = 1024
_TEMPLATE = re.compile(r"\{(?=[{%#])")


@dataclass(frozen=True)
class Observation:
    """The state of an endpoint at one moment.

    :param state: the verdict, in the words of ``vllm_lora_adapters``.
    :param difference: the adapters that differ from the declaration, or that are served and not declared.
    :param server: one sentence for each requirement that the server does not meet.
    :param summary: the number of adapters by drift.
    :param error: why the endpoint could not be compared with its declaration.
    :param outlives_engine: the list proves nothing until ``/health`` has been read as well.
    """

    state: str
    difference: tuple[Entry, ...] = ()
    server: tuple[str, ...] = ()
    summary: dict | None = None
    error: VllmError | None = None
    outlives_engine: bool = False

    @property
    def identity(self) -> object:
        """Two observations with equal values are the same news. The words of an unusable answer do not count."""
        error = (self.error.code, "" if self.error.http_status else self.error.message) if self.error else None
        return self.state, self.difference, self.server, error


def not_compared(error: VllmError, outlives_engine: bool = False) -> Observation:
    """Return the observation of an endpoint that could not be compared."""
    return Observation(verdict_of(error.code), error=error, outlives_engine=outlives_engine)


def judge(target: DeclaredEndpoint, answer: Answer, version: str | None = None) -> Observation:
    """Compare an answer with the declaration. If the answer is no vLLM model list, nothing is concluded from it.

    :param version: the version that the server names. It is not used if the declaration requires none.
    """
    try:
        observed = read_model_list(answer, target.endpoint.base_url)
    except VllmError as error:
        return not_compared(error)
    try:
        differences = target.requirements.differences(observed, version)
        decided = plan(target.adapters, observed, target.pruning, differences, target.revoked)
    except VllmError as error:
        return not_compared(error, observed.rust_front_end)
    difference = tuple(entry for entry in decided.entries if entry.drift != "none")
    if decided.verdict == "undeclared":
        difference = tuple(entry for entry in decided.entries if not entry.declared and not entry.excluded)
    return Observation(
        decided.verdict, difference, decided.server, decided.summary, outlives_engine=observed.rust_front_end
    )


class EndpointState:
    """The state of one endpoint that was reported last, and the change that is being confirmed.

    At first, an endpoint counts as reachable and in sync. Its adapters are unknown while it is unreachable, so when it comes
    back, its state is reported even if the same state was reported before.
    """

    def __init__(self, debounce: int, repeat_after: float | None) -> None:
        self._debounce = debounce
        self._repeat_after = repeat_after
        self._unreachable = False
        self._last = Observation(_IN_SYNC)
        self._reported_at = 0.0
        self._pending = ""
        self._agreeing = 0
        #: How often the drift that lasts has been reported again.
        self.repeated = 0

    @property
    def is_confirming(self) -> bool:
        """Whether a change has been seen, but not yet often enough to be reported."""
        return self._agreeing > 0

    def stop_confirming(self) -> None:
        """Count again from zero: the observations so far were compared with another declaration."""
        self._agreeing = 0

    def changes(self, seen: Observation, now: float) -> tuple[str, ...]:
        """Return the states to report, in order; none unless a change is confirmed.

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
        return self._reported(seen, now)

    def _is_news(self, seen: Observation, now: float) -> bool:
        if seen.state == _UNREACHABLE:
            return not self._unreachable
        if self._unreachable or seen.identity != self._last.identity:
            return True
        return seen.state == _DRIFTED and self._is_to_repeat(now)

    def _is_to_repeat(self, now: float) -> bool:
        return self._repeat_after is not None and now - self._reported_at >= self._repeat_after

    def _reported(self, seen: Observation, now: float) -> tuple[str, ...]:
        if seen.state == _UNREACHABLE:
            self._unreachable = True
            return ("unreachable",)
        back, last = ("reachable",) if self._unreachable else (), self._last
        self.repeated = 0 if back or seen.identity != last.identity else self.repeated + 1
        self._last, self._reported_at, self._unreachable = seen, now, False
        if seen.state != _IN_SYNC:
            return (*back, seen.state)
        return (*back, "recovered") if last.state != _IN_SYNC else back


def drift_event(state: str, target: DeclaredEndpoint, seen: Observation, repeated: int) -> dict[str, dict]:
    """Return the event that reports the state of an endpoint."""
    event: dict[str, Any] = {
        "state": state,
        "endpoint": target.name,
        "base_url": target.endpoint.base_url,
        "observed_at": _now(),
        "msg": _sentence(state, target, seen),
    }
    if seen.error and state == seen.state:
        event["error"] = seen.error.as_dict()
    differs = state == seen.state and not seen.error
    if differs:
        event["difference"] = [_difference(entry) for entry in seen.difference[:SHOWN_ADAPTERS]]
        event["summary"] = seen.summary or {}
    if differs and seen.server:
        event["server"] = list(seen.server)
    if state == _DRIFTED:
        event["repeated"] = repeated
    event = _harmless(event, target.endpoint.api_key)
    if differs:
        # The operator wrote these for the playbook that heals, so they stay as they are.
        event["declared"] = dict(target.options)
        event["connection"] = dict(target.connection)
    return {"drift": event}


def file_event(state: str, file: Path, msg: str) -> dict[str, dict]:
    """Return the event that reports whether the declaration file can be used."""
    event = {"state": state, "file": str(file), "observed_at": _now(), "msg": msg}
    return {"declaration_file": _harmless(event, None)}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _sentence(state: str, target: DeclaredEndpoint, seen: Observation) -> str:
    endpoint = f"Endpoint {quoted(target.name)}"
    if seen.error and state == seen.state:
        return f"{endpoint}: {seen.error.message}"
    if state == _DRIFTED and seen.server:
        return f"{endpoint} is another server than its declaration requires. {' '.join(seen.server)}"
    if state == _DRIFTED:
        shown = [f"{quoted(entry.name)} ({entry.drift})" for entry in seen.difference[:10]]
        return f"{endpoint} differs from its declaration: {_listed(shown, seen.difference)}."
    if state == seen.state:
        shown = [quoted(entry.name) for entry in seen.difference[:10]]
        return f"{endpoint} also serves adapters that are not declared: {_listed(shown, seen.difference)}."
    return f"{endpoint} serves its declaration again." if state == "recovered" else f"{endpoint} answers again."


def _listed(shown: list[str], all_of_them: tuple[Entry, ...]) -> str:
    return ", ".join(shown) + (", …" if len(all_of_them) > len(shown) else "")


def _difference(entry: Entry) -> dict[str, str | bool | None]:
    before, after = entry.before, entry.after
    return {
        "name": entry.name,
        "drift": entry.drift,
        "action": entry.action,
        "declared": entry.declared,
        "declared_path": normalised(after.root) if after and entry.declared else None,
        "served_path": normalised(before.root) if before else None,
        "declared_base_model": entry.base_model,
        "served_base_model": before.parent if before else None,
    }


def _harmless(value: Any, secret: str | None) -> Any:
    """Return the event without the key, without invisible characters, and without anything that Jinja would run.

    Names and paths can come from a hostile server, and Ansible renders extra variables as templates.
    """
    if isinstance(value, dict):
        return {key: _harmless(item, secret) for key, item in value.items()}
    if isinstance(value, list):
        return [_harmless(item, secret) for item in value]
    if not isinstance(value, str):
        return value
    text = value.replace(secret, "********") if secret else value
    shown = _TEMPLATE.sub(r"\\x7b", printable(text))
    return shown if len(shown) <= SHOWN_CHARACTERS else shown[:SHOWN_CHARACTERS] + "…"
