# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy of trust: which adapters must be signed, by which keys, for which base models and under which licences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .._adapters.revocation import REVOKE_OPTIONS
from .._adapters.values import read_option, refused

#: One entry of a policy, as an argument spec.
_ENTRY: dict[str, dict] = {
    "names": {"type": "list", "elements": "str"},
    "keys": {"type": "list", "elements": "str", "no_log": False},
    "mode": {"type": "str", "choices": ["enforce", "warn"]},
    "base_models": {"type": "list", "elements": "str"},
    "licences": {"type": "list", "elements": "str"},
}
#: The options of trust, as an argument spec.
TRUST_OPTIONS: dict[str, dict] = {
    "trust": {"type": "list", "elements": "dict", "options": _ENTRY},
    **REVOKE_OPTIONS,
}


@dataclass(frozen=True)
class Policy:
    """What is asked of the adapters with some names.

    :param where: names the entry in sentences, such as ``item 1 of lora_trust``.
    :param names: globs.
    :param keys: public keys and certificates, each as PEM text or, before it is resolved, as the path of a file.
    :param base_models: for which the artifact may be trained; empty for any.
    :param licences: that its model card may name; empty for any.
    """

    where: str
    names: tuple[str, ...]
    keys: tuple[str, ...]
    enforced: bool = True
    base_models: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()

    def covers(self, name: str) -> bool:
        """Return whether the entry is about the adapter with this name."""
        return any(fnmatchcase(name, glob) for glob in self.names)

    def as_dict(self) -> dict:
        """Return the entry as a policy is written."""
        limits = {"base_models": list(self.base_models), "licences": list(self.licences)}
        return {
            "names": list(self.names),
            "keys": list(self.keys),
            "mode": "enforce" if self.enforced else "warn",
            # An empty list would allow nothing.
            **{option: allowed for option, allowed in limits.items() if allowed},
        }


def read_trust(where: str, written: object) -> tuple[Policy, ...]:
    """Return the entries of a policy as somebody has written it. Nothing that cannot be understood is left out.

    :param where: names the policy in sentences, such as the variable that holds it.
    :raises VllmError: ``invalid_request``, with a sentence that names the entry and the option.
    """
    found = read_option(where, written, TRUST_OPTIONS["trust"])
    entries = found if isinstance(found, list) else []
    return tuple(_entry(f"item {number} of {where}", entry) for number, entry in enumerate(entries, 1))


def _entry(where: str, given: Mapping) -> Policy:
    for option in given:
        if isinstance(given[option], list) and not all(item.strip() for item in given[option]):
            raise refused(f"option {option} of {where} has an empty item", "remove it")
    names, keys = given.get("names", ["*"]), given.get("keys", [])
    enforced = given.get("mode", "enforce") == "enforce"
    if not names:
        raise refused(f"option names of {where} is empty", "name the adapters as globs, such as '*' for all")
    if enforced and not keys:
        raise refused(
            f"{where} has no keys, so nothing could be trusted",
            "give the public keys or certificates of the signers, or set mode to warn",
        )
    for option in ("base_models", "licences"):
        if given.get(option) == []:
            raise refused(f"option {option} of {where} is empty", "name what is allowed, or leave it out for any")
    limits = (tuple(given.get(option, ())) for option in ("base_models", "licences"))
    return Policy(where, tuple(names), tuple(keys), enforced, *limits)


def policy_for(name: str, policies: Iterable[Policy], where: str = "trust") -> Policy | None:
    """Return the first entry that is about this adapter, or None if there is no policy at all.

    If there is a policy, and no entry is about the adapter, the result is an entry that trusts no key.
    """
    entries = tuple(policies)
    if not entries:
        return None
    return next((entry for entry in entries if entry.covers(name)), Policy(where, (name,), ()))
