# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The events, as a rulebook gets them."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

from sovereign_vllm.plugins.module_utils._adapters.models import normalised
from sovereign_vllm.plugins.module_utils._adapters.plan import Entry
from sovereign_vllm.plugins.module_utils._errors import printable, quoted

from ._declaration_file import DeclaredEndpoint
from ._state import Observation

#: A difference shows no more adapters, and a text no more characters: a hostile server could list millions.
SHOWN_ADAPTERS = 100
SHOWN_CHARACTERS = 1024
_TEMPLATE = re.compile(r"\{(?=[{%#])")


def drift_event(state: str, target: DeclaredEndpoint, seen: Observation, repeated: int) -> dict:
    """Return the event that tells the state of an endpoint."""
    event = {
        "state": state,
        "endpoint": target.name,
        "base_url": target.endpoint.base_url,
        "observed_at": _now(),
        "msg": _sentence(state, target, seen),
    }
    if seen.error and state in ("drifted", "unreachable"):
        event["error"] = seen.error.as_dict()
    if state == "drifted":
        event["repeated"] = repeated
        event["difference"] = [_difference(entry) for entry in seen.difference[:SHOWN_ADAPTERS]]
        event["summary"] = seen.summary or {}
    event = _harmless(event, target.endpoint.api_key)
    if state == "drifted":
        # The operator's own words, for the playbook that heals: they have to stay as they are.
        event["declared"] = dict(target.options)
        event["connection"] = dict(target.connection)
    return {"drift": event}


def declaration_event(state: str, file: Path, msg: str) -> dict:
    """Return the event that tells whether the declaration file could be used."""
    event = {"state": state, "file": str(file), "observed_at": _now(), "msg": msg}
    return {"declaration": _harmless(event, None)}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _sentence(state: str, target: DeclaredEndpoint, seen: Observation) -> str:
    who = f"Endpoint {quoted(target.name)}"
    if state == "unreachable" or (state == "drifted" and seen.error):
        return f"{who}: {seen.error.message}"
    if state == "drifted":
        names = [f"{quoted(entry.name)} ({entry.drift})" for entry in seen.difference[:10]]
        more = ", …" if len(seen.difference) > len(names) else ""
        return f"{who} does not serve what is declared: {', '.join(names)}{more}."
    return f"{who} serves what is declared." if state == "recovered" else f"{who} answers again."


def _difference(entry: Entry) -> dict:
    before, after = entry.before, entry.after
    return {
        "name": entry.name,
        "drift": entry.drift,
        "action": entry.action,
        "declared_path": normalised(after.root) if after else None,
        "served_path": normalised(before.root) if before else None,
        "declared_base_model": entry.base_model,
        "served_base_model": before.parent if before else None,
    }


def _harmless(value: object, secret: str | None) -> object:
    """Return the event without the key, with nothing invisible, and with nothing that Jinja would run.

    Names and paths can be a hostile server's, and Ansible renders extra variables as templates.
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
