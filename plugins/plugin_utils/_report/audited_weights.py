# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The weights in an audit: which fingerprints can be compared, and what the answers of the server mean."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.models import normalised
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import quoted
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.fingerprint import (
    STALE_PREFIX_CACHE,
    read_fingerprint,
)


@dataclass
class AuditedWeights:
    """What is known about the weights of a site.

    :ivar expected: the fingerprints to compare, by served name.
    :ivar differing: the adapters with other weights than were recorded.
    :ivar findings: as ``vllm_server_info`` returns findings.
    :ivar notes: sentences about what was measured, and what could not be compared.
    :ivar warnings: sentences about measurements that the server does not allow.
    """

    expected: dict[str, dict] = field(default_factory=dict)
    differing: list[str] = field(default_factory=list)
    findings: list[dict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def read_answers(self, answered: Mapping) -> None:
        """Tell other weights, stale caches and missing answers apart.

        :param answered: the result of ``vllm_smoke_test`` for the expected fingerprints.
        """
        errors, taken = answered.get("errors") or {}, answered.get("fingerprints") or {}
        self.warnings += answered.get("warnings") or []
        for name, expected in self.expected.items():
            error = errors.get(name)
            if error and error["code"] == "other_weights":
                self.differing.append(name)
                self.notes.append(error["msg"])
            elif error:
                self.findings.append(_finding(error))
            elif name in taken and not _have_same_origin(name, expected, taken[name]):
                self.notes.append(
                    f"The fingerprint of adapter {quoted(name)} was recorded with another release or base model, so its "
                    "weights were not compared."
                )


def _have_same_origin(name: str, expected: Mapping, taken: Mapping) -> bool:
    return read_fingerprint(name, expected).origin.is_same_as(read_fingerprint(name, taken).origin)


def _finding(error: Mapping) -> dict:
    if error["code"] == STALE_PREFIX_CACHE:
        fix = "Restart the server, or load the artifact from a new path under a new name."
        return {"id": STALE_PREFIX_CACHE, "severity": "high", "message": error["msg"], "fix": fix}
    fix = "Read the log of the server, and run the role sovereign.vllm.lora."
    return {"id": "adapter_does_not_answer", "severity": "high", "message": error["msg"], "fix": fix}


def comparable(entries: Iterable[Mapping], recorded: Mapping[str, dict], gone: Collection[str]) -> AuditedWeights:
    """Return the fingerprints that can be compared.

    Only an adapter that is served as declared is compared. One whose directory is gone is not asked, since that could kill the
    server.

    :param entries: ``adapters`` in the result of ``vllm_lora_adapters``.
    :param recorded: the recorded fingerprints, by served name.
    :param gone: the adapters whose directory is gone.
    """
    found = AuditedWeights()
    unrecorded, moved = [], []
    for entry in entries:
        name, before = entry["name"], entry["before"]
        if not (entry["declared"] and before and entry["drift"] == "none") or name in gone:
            continue
        if name not in recorded:
            unrecorded.append(name)
        elif normalised(recorded[name].get("path") or "") != before["path"]:
            moved.append(name)
        else:
            found.expected[name] = recorded[name]
    found.notes += _not_compared(unrecorded, "no fingerprint was recorded")
    found.notes += _not_compared(moved, "their fingerprints were recorded from other paths")
    return found


def _not_compared(names: Iterable[str], reason: str) -> list[str]:
    listed = ", ".join(map(quoted, names))
    return [f"The weights of {listed} were not compared, since {reason}."] if listed else []
