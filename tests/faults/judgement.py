# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold for every run, whatever hits it. Nothing here asks the code under test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from posixpath import basename
from typing import Any

from tests.stand_in import Request
from tests.support.server import REHEARSAL_SUFFIX

from .chance import BAD, LIST, LOAD, UNLOAD, Step

CODES = {
    *("unreachable", "timeout", "tls", "dns", "not_vllm", "unauthorized", "forbidden", "runtime_lora_disabled"),
    *("lora_disabled", "artifact_not_found", "artifact_rejected", "base_model_mismatch", "name_conflict"),
    *("prune_limit", "invalid_request", "not_converged", "throttled", "server_error"),
}
OFFLINE = {"unreachable", "timeout", "tls", "dns"}


@dataclass
class Account:
    """What happened in one run: served before and after (root by name), the requests, and what others did meanwhile."""

    step: Step
    before: dict[str, str]
    after: dict[str, str] = field(default_factory=dict)
    log: list[Request] = field(default_factory=list)
    disturbed: bool = False
    cut_off: bool = False

    @property
    def declared(self) -> dict[str, dict[str, Any]]:
        adapters = self.step.options.get("adapters", [self.step.options] if self.step.operation == "one" else [])
        return {adapter["name"]: adapter for adapter in adapters}

    @property
    def wanted(self) -> dict[str, str]:
        """Artifact by name."""
        return {name: one["path"] for name, one in self.declared.items() if one["state"] != "absent"}

    @property
    def writes(self) -> list[Request]:
        return [request for request in self.log if request.method != "GET"]

    @property
    def undisturbed(self) -> bool:
        return not self.disturbed and not any(request.fault for request in self.log)


def violations(account: Account, result: dict[str, Any]) -> Iterator[str]:
    """Say what does not hold."""
    yield from _of_the_result(account, result)
    yield from _of_reading(account)
    yield from _of_loads_in_place(account)
    yield from _of_what_was_served(account)
    failed = result.get("failed") or result.get("unreachable")
    if not failed and not account.step.check_mode:
        yield from _of_success(account, result)
    if failed and account.undisturbed:
        yield from _of_undisturbed_failure(account, result)


def _of_the_result(account: Account, result: dict[str, Any]) -> Iterator[str]:
    code = result.get("error", {}).get("code")
    if code is None and (result.get("failed") or result.get("unreachable")):
        yield f"a failure without a code: {result}"
    if code is not None and code not in CODES:
        yield f"an undocumented code: {code}"
    if code is not None and bool(result.get("unreachable")) != (code in OFFLINE):
        yield f"{code} with unreachable={result.get('unreachable')}"
    if REHEARSAL_SUFFIX in str([entry.get("name") for entry in result.get("adapters", [])]):
        yield "a temporary name is shown"
    if result["changed"] and account.step.operation == "info":
        yield "reading changed something"
    # Without a diff the list could not be read again, and nothing is claimed.
    if not account.disturbed and result.get("failed") and "diff" in result:
        ours = {name for name in {*account.before, *account.after} if _is_ours(account, name)}
        moved = any(account.before.get(name) != account.after.get(name) for name in ours)
        if moved != result["changed"]:
            yield f"changed={result['changed']}, but {account.before} became {account.after}"


def _is_ours(account: Account, name: str) -> bool:
    """Whether the run may touch it; what a run leaves under temporary names it did not find is not told by changed."""
    if name.endswith(REHEARSAL_SUFFIX):
        return name in account.before and name not in account.after
    return name in account.declared or bool(account.step.options.get("prune"))


def _of_reading(account: Account) -> Iterator[str]:
    if (account.step.check_mode or account.step.operation == "info") and account.writes:
        yield f"{account.writes[0].method} {account.writes[0].path} by what must only read"


def _of_loads_in_place(account: Account) -> Iterator[str]:
    """None without a rehearsal of the same path: a refusal can cost the adapter, or the server."""
    for number, one in enumerate(account.writes):
        body = one.body or {}
        if not body.get("load_inplace"):
            continue
        name, path = body["lora_name"], body["lora_path"]
        earlier = [(write.path, (write.body or {}).get("lora_name")) for write in account.writes[:number]]
        if earlier[-1:] == [(UNLOAD, name)]:
            continue  # an adapter that the engine has evicted is read again, so that it can be unloaded
        if basename(path) in BAD:
            yield f"{name} was loaded in place from {path}, which the rehearsal had refused"
        if (LOAD, name + REHEARSAL_SUFFIX) not in earlier:
            yield f"{name} was loaded in place from {path} without a rehearsal"


def _of_what_was_served(account: Account) -> Iterator[str]:
    if account.disturbed:
        return
    for name, root in account.before.items():
        if name.endswith(REHEARSAL_SUFFIX):
            continue
        if name in account.wanted:
            if name not in account.after and not _could_not_be_helped(account, name):
                yield f"{name} was served from {root} and is wanted, and is not served any more"
        elif name not in account.declared and not account.step.options.get("prune") and account.after.get(name) != root:
            yield f"{name} is none of our business, and went from {root} to {account.after.get(name)}"


def _could_not_be_helped(account: Account, name: str) -> bool:
    """Whether faults prevented that a name which was unloaded for a swap came back.

    One fault is never an excuse: there are two attempts at least to load it, and each reading is tried twice.
    """
    if account.cut_off:
        return True
    unloads = [
        number for number, one in enumerate(account.log) if one.path == UNLOAD and (one.body or {})["lora_name"] == name
    ]
    rest = account.log[unloads[-1] :] if unloads else []
    temporary = [
        one for one in account.log if one.path == LOAD and (one.body or {})["lora_name"] == name + REHEARSAL_SUFFIX
    ]
    if any(one.fault == "ignored" for one in temporary):
        return False  # the list would have told that before the unload
    loads = [one for one in rest if one.path == LOAD and (one.body or {})["lora_name"] == name]
    spoilt = [one for one in loads if one.fault or one.status != 200]
    unread = [one for one in rest if one.path == LIST and one.fault]
    return (len(spoilt) >= 2 and spoilt == loads) or len(unread) >= 2


def _of_success(account: Account, result: dict[str, Any]) -> Iterator[str]:
    for name, artifact in account.wanted.items():
        if basename(account.after.get(name, "")) != artifact:
            yield f"success, but {name} is served from {account.after.get(name)}, not {artifact}"
        if artifact in BAD:
            yield f"success with {artifact}"
    for name in set(account.declared) - set(account.wanted):
        if name in account.after:
            yield f"success, but {name} is still served"
    if not result["changed"] and account.before != account.after and not account.disturbed:
        yield f"not changed, but {account.before} became {account.after}"


def _of_undisturbed_failure(account: Account, result: dict[str, Any]) -> Iterator[str]:
    code = result["error"]["code"]
    bad = set(account.wanted.values()) & set(BAD)
    in_place = account.step.options.get("reload_strategy") == "in_place"
    if not bad and code != "prune_limit" and not (in_place and code == "invalid_request"):
        yield f"{code} although nothing was wrong: {result['msg']}"
