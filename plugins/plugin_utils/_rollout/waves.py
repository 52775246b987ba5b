# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions of a rollout: which sites take part, in which waves, and how it ended."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ansible.utils.helpers import pct_to_int
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import read_option, refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.words import count_of

_NOT_DECLARED, _NOT_APPROVED, _OFFLINE = "lora_not_declared", "lora_not_approved", "lora_offline"
_READY, _MISPLACED = "lora_ready", "lora_misplaced"
#: Outcome → the group of the sites that a rollout leaves alone for it.
LEFT_ALONE = {"offline": _OFFLINE, "not_declared": _NOT_DECLARED, "not_approved": _NOT_APPROVED}
_OFFLINE_CODES = ("unreachable", "timeout", "dns", "tls")
_UNSEEN = {"failed": True, "msg": "It is not known what the site serves."}
# The results of the role that can be a change.
_CHANGES = ("lora_staged", "lora_result", "lora_unloaded", "lora_boot_written")
_WORDS = {
    "not_restored": "not restored (check them by hand)",
    "lost": "lost on the way",
    "not_tried": "not tried",
    "not_declared": "not declared",
    "not_approved": "not approved",
}
_LISTS = (
    "changed",
    "unchanged",
    "failed",
    "lost",
    "restored",
    "not_restored",
    "offline",
    "not_tried",
    "not_declared",
    "not_approved",
)


def sizes_of(serial: object) -> list[str]:
    """Return the sizes of the waves, as the keyword ``serial`` takes them.

    :param serial: a number, a share such as ``25%``, a list of them, or text that writes one.
    :raises VllmError: ``invalid_request`` if it is something else.
    """
    hint = "give the sizes of waves, such as 1,25%"
    if isinstance(serial, (int, float)) and not isinstance(serial, bool):
        serial = [serial]
    try:
        sizes = read_option("lora_serial", serial, {"type": "list", "elements": "str"})
    except VllmError as error:
        raise refused(error.problem, hint) from None
    if not isinstance(sizes, list) or not sizes or not all(re.fullmatch("0*[1-9][0-9]*%?", size) for size in sizes):
        raise refused(f"lora_serial is {serial}", hint)
    return sizes


def waves_of(hosts: Sequence[str], serial: object) -> list[list[str]]:
    """Return the hosts of each wave, as Ansible divides a play by the keyword ``serial``."""
    sizes, left = sizes_of(serial), list(hosts)
    waves: list[list[str]] = []
    while left:
        size = pct_to_int(sizes[min(len(waves), len(sizes) - 1)], len(hosts))
        waves.append(left[: int(size)])
        left = left[int(size) :]
    return waves


def group_of(looked: Mapping, declared: bool, approved: bool) -> str:
    """Return the group of a site.

    :param looked: the results of looking at the site: ``read``, ``served`` and ``ping``. They are empty for tasks that were
        skipped.
    :param declared: whether the site has a declaration.
    :param approved: whether a person has approved its plan, or no approval is asked for.
    """
    if not declared:
        return _NOT_DECLARED
    if not approved:
        return _NOT_APPROVED
    if looked["read"].get("misplaced"):
        return _MISPLACED
    served = looked["served"]
    code = (served.get("error") or {}).get("code")
    is_offline = served.get("unreachable") or looked["ping"].get("unreachable") or code in _OFFLINE_CODES
    return _OFFLINE if is_offline else _READY


def unknown_of(looked: Mapping) -> list[str]:
    """Return the reasons why it is not known what to restore at a site. If there is one, nothing is written there.

    :param looked: the results of looking at the site: ``read``, ``served`` and the list ``boot``.
    """
    results = [looked["read"]] if looked["read"].get("failed") else [looked["served"] or _UNSEEN, *looked["boot"]]
    return [str(result.get("msg")) for result in results if result.get("failed")]


def ended_as(
    hostvars: Mapping, sites: Iterable[str], left_alone: Mapping[str, Collection[str]]
) -> dict[str, list[str]]:
    """Return the names of the sites by their outcome. A failed site that was restored is named twice.

    :param hostvars: Ansible's variable of this name. Only sites that take part are looked up.
    :param sites: all sites, in the order of the inventory.
    :param left_alone: the names of the sites in each group of :data:`LEFT_ALONE`, by their outcome.
    """
    outcome: dict[str, list[str]] = {name: [] for name in _LISTS}
    for site in sites:
        names = [name for name, group in left_alone.items() if site in group]
        for name in names or _outcomes(hostvars[site]):
            outcome[name].append(site)
    return outcome


def _outcomes(facts: Mapping[str, Any]) -> list[str]:
    if "lora_wave" not in facts:
        return ["not_tried"]
    if "lora_verdict" not in facts:
        # Only a host that left the play has no verdict at the end of its wave.
        return ["lost"]
    names = ["failed"] if "lora_failure" in facts else []
    if "lora_restored" in facts:
        names.append("restored" if facts["lora_restored"] else "not_restored")
    return names or ["changed" if any(map(_is_change, map(facts.get, _CHANGES))) else "unchanged"]


def _is_change(result: Mapping | None) -> bool:
    return bool(result and result.get("changed"))


def lines_of(outcome: Mapping[str, Sequence[str]], total: int) -> list[str]:
    """Return the outcome as lines of text: one with the figures, and one for each list of sites that needs a person's eye.

    :param outcome: what :func:`ended_as` returns.
    :param total: the number of sites.
    """
    counts = ", ".join(f"{len(outcome[name])} {name.replace('_', ' ')}" for name in _LISTS if outcome[name])
    named = [name for name in _LISTS if outcome[name] and name != "unchanged"]
    return [
        f"{count_of(total, 'site')}: {counts}",
        *(f"{_WORDS.get(name, name)}: {', '.join(outcome[name])}" for name in named),
    ]
