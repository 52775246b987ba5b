# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of a bundle: what the site made of it. It is signed with the key of the site and carried back.

``result.json`` has ``format``, ``outcome`` (``applied`` or ``taken_back``), ``msg`` (why it was taken back), ``error``,
``bundle`` (the SHA-256 of the manifest of the bundle), ``artifacts`` (the digests that the site has), ``versions``,
``fingerprints`` and ``sites``: the entries of an audit, as ``drift.json`` has them. Node, serial and time are in the manifest.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import DRIFTS, VERDICTS
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.layout import (
    FORMAT,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.sealed import (
    Sealed,
    damaged,
    directory_name,
    open_sealed,
    parsed_name,
)

RESULT = "result.json"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_PLACES = ("path", "parent")


@dataclass(frozen=True)
class Result:
    """A result whose signature and content have been checked.

    :param made_at: the time of the audit, by the clock of the site.
    :param artifacts: the digests that the site has.
    :param sites: host → its entry in the audit.
    """

    node: str
    serial: int
    made_at: str
    outcome: str
    msg: str
    artifacts: frozenset[str]
    sites: Mapping[str, Mapping]


def read_results(directories: Iterable[str], allowed_signers: str | None) -> tuple[dict[str, Result], list[str]]:
    """Return the newest result of each node, and one sentence for each result that cannot be used.

    :param directories: each holds ``result-<node>-<serial>`` directories, or is one.
    :param allowed_signers: file with the keys of the sites. A key may sign only for the node that it is named after.
    :raises VllmError: ``invalid_request`` if a directory or the file is missing.
    """
    newest: dict[str, Result] = {}
    problems: list[str] = []
    for directory in map(_directory, directories):
        if not allowed_signers:
            raise refused(
                "drift_report_result_signers is not set",
                "give the file that names the key of each node, one line a key, as ssh-keygen(1) describes for allowed signers",
            )
        for place in [directory] if parsed_name(directory.name) else sorted(directory.iterdir()):
            named = parsed_name(place.name)
            if not named or named[0] != "result":
                continue
            try:
                found = _read(place, Path(os.path.expanduser(allowed_signers)).absolute())
            except VllmError as error:
                problems.append(error.message)
                continue
            last = newest.get(found.node)
            if not last or (found.serial, found.made_at) > (last.serial, last.made_at):
                newest[found.node] = found
    return newest, problems


def _directory(given: str) -> Path:
    directory = Path(os.path.expanduser(given)).absolute()
    if not directory.is_dir():
        raise refused(f"drift_report_results names {quoted(given)}, which is no directory", "correct it, or remove it")
    return directory


def _read(place: Path, allowed_signers: Path) -> Result:
    # The key of a site signs for its own node only.
    sealed = open_sealed(place, "result", allowed_signers, signer="")
    if directory_name("result", sealed.node, sealed.serial) != place.name:
        raise damaged(place, f"it is the result of {quoted(sealed.node)} for bundle {sealed.serial}")
    sealed.check_listing()
    try:
        return _result(sealed, json.loads(sealed.read(RESULT)))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise damaged(place, f"its {RESULT} is not one of format {FORMAT}") from None


def _result(sealed: Sealed, content: Mapping) -> Result:
    artifacts, outcome, msg = content["artifacts"], content["outcome"], content["msg"]
    if (
        content["format"] != FORMAT
        or outcome not in ("applied", "taken_back")
        or not isinstance(msg, str)
        or not _TIME.fullmatch(sealed.made_at)
        or not all(map(_DIGEST.fullmatch, artifacts))
    ):
        raise ValueError(outcome)
    sites = {row["name"]: _audited(row) for row in content["sites"] if row["name"] in sealed.hosts}
    return Result(sealed.node, sealed.serial, sealed.made_at, outcome, msg, frozenset(artifacts), sites)


def _audited(row: Mapping) -> dict:
    """Return the entry of a report as the result of an audit. A site is not trusted to write the rest of a page.

    :raises ValueError: or ``KeyError`` or ``TypeError``, if it is no entry.
    """
    verdict = _one_of(VERDICTS, row["verdict"])
    return {
        "verdict": verdict,
        "failed": verdict not in ("in_sync", "undeclared", "drifted"),
        "version": _text_or_none(row["version"]),
        "plan_id": _text_or_none(row["plan_id"]),
        "server": [_text(one) for one in row["server"]],
        "msg": _text(row["reason"]),
        "error": {"code": _text(row["error"]["code"])} if row["error"] else None,
        "adapters": [_entry(cell) for cell in row["adapters"]],
        "findings": [{key: _text(one[key]) for key in ("id", "severity", "message", "fix")} for one in row["findings"]],
    }


def _entry(cell: Mapping) -> dict:
    served = cell["served"]
    return {
        "name": _text(cell["name"]),
        "drift": _one_of(DRIFTS, cell["drift"]),
        "declared": _flag(cell["declared"]),
        "excluded": _flag(cell["excluded"]),
        **{key: _text_or_none(cell[key]) for key in _PLACES},
        "before": {key: _text(served[key]) for key in _PLACES} if served else None,
    }


def _one_of(known: Iterable[str], value: object) -> str:
    if not isinstance(value, str) or value not in known:
        raise ValueError(value)
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)
