# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load and unload, each carried to the point where the model list settles what happened."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from .._adapters.models import Observed, shown_name
from .._adapters.plan import Entry
from .._errors import VllmError, also_report, quoted, request_error
from .._http.client import Client

# Answers that say that nothing was done, so that the list has nothing to add.
_NOTHING_WAS_DONE = frozenset(("unauthorized", "forbidden", "runtime_lora_disabled", "throttled", "tls", "dns"))
_LOST_LOAD_HINT = (
    "the list was read and does not show it: raise load_timeout if reading it takes longer, else read the server's log"
)
NOT_CONVERGED_HINT = (
    "address each server directly and not through a load balancer, write the path without symbolic links, "
    "and see that nobody else changes this server"
)


def load(client: Client, entry: Entry, in_place: bool = False) -> None:
    """Load an adapter. If the answer is a refusal or is lost, the model list decides: vLLM finishes a load even if the
    client disconnects.

    :raises VllmError: if the server does not serve it from this path.
    """
    started = time.monotonic()
    try:
        client.load(entry.name, entry.path, entry.is_3d_lora_weight, in_place)
    except VllmError as error:
        if error.code in _NOTHING_WAS_DONE or error.unsent:
            raise
        # "Already loaded" is no success then: the list cannot tell which files the weights are from.
        if entry.keeps_path and error.code == "not_converged":
            raise
        if not _was_loaded(client, entry, error, started):
            if error.is_unreachable:
                error.hint = _LOST_LOAD_HINT
            raise


def _was_loaded(client: Client, entry: Entry, error: VllmError, started: float) -> bool:
    patience = 0.0
    if error.outcome_unknown:
        left = client.endpoint.load_timeout - (time.monotonic() - started)
        patience = max(left, client.endpoint.timeout)

    def is_served(observed: Observed) -> bool:
        return observed.serves(entry.name, entry.path)

    with also_report([error]):
        return is_served(client.poll(entry.name, is_served, patience))


def unload(client: Client, name: str) -> None:
    """Unload an adapter. If the answer is not a plain yes, a well-formed model list has to show that it is gone.

    :raises VllmError: when the server still serves it.
    """
    refusals: list[VllmError] = []
    with also_report(refusals):
        while True:
            try:
                client.unload(name)
                return
            except VllmError as error:
                if error.code in _NOTHING_WAS_DONE or error.unsent:
                    raise
                refusals.append(error)
                served = client.observe().adapter(name)
                if served is None:
                    return
                if len(refusals) == 2 or not (error.outcome_unknown or error.code == "server_error"):
                    raise
                if not error.outcome_unknown:
                    _bring_back(client, name, served.root, error)


@dataclass
class Drain:
    """Waits until no request names an adapter, before its name goes. A reload does not wait: the requests that have begun
    finish with the old weights, and a name in use would never be free.

    :ivar seconds: what is left to wait, for all names of a task together.
    :ivar warnings: one sentence for each name that goes although requests name it, or may name it.
    """

    client: Client
    seconds: float
    warnings: list[str] = field(default_factory=list)

    def wait_for(self, name: str) -> None:
        """Return when the requests for this adapter have ended, when the time is over, or if the metrics tell nothing."""
        started = time.monotonic()
        has_requests = self.client.drain([name], self.seconds)
        self.seconds = max(0.0, self.seconds - (time.monotonic() - started))
        if has_requests:
            self.warnings.append(
                f"Adapter {quoted(name)} was unloaded although requests for it run or may wait, since drain_timeout was over. "
                "Those that run are still answered, by the old weights."
            )
        elif has_requests is None:
            self.warnings.append(
                f"Adapter {quoted(name)} was unloaded at once, since the metrics of the server do not tell whether requests "
                "for it run."
            )


def _bring_back(client: Client, name: str, root: str, refused: VllmError) -> None:
    """Have the engine read an adapter again that it has evicted: the Rust front-end refuses to unload it until then.

    In place, since the name is listed; the unload that follows takes the sticky flag away. A completion would do as
    well, but kills the engine where the directory is gone.

    :raises VllmError: the refusal of the unload, when the adapter cannot be read.
    """
    try:
        client.load(name, root, in_place=True)
    except VllmError:
        raise refused from None


def swap(client: Client, entry: Entry) -> None:
    """Put another artifact under a served name: rehearse, swap, tidy. Works on every release from 0.7.

    The rehearsal validates the artifact while the served one is untouched. If the swap fails all the same, the old path
    is loaded again.

    :raises VllmError: the old artifact is served as before, or the sentence says that it is not.
    """
    with _rehearsed(client, entry):
        try:
            unload(client, entry.name)
            load(client, entry)
        except VllmError as error:
            restore_after(error, client, entry)
            raise


@contextlib.contextmanager
def _rehearsed(client: Client, entry: Entry) -> Iterator[None]:
    """Serve the artifact under a temporary name during this block, so that the server has read and activated it.

    A plain load that fails is harmless on every release, for whatever reason it fails.

    :raises VllmError: if the server refuses the artifact.
    """
    rehearsal = entry.rehearsal
    load(client, rehearsal)
    try:
        _require_rehearsed(client, rehearsal)
        yield
    finally:
        tidy(client, rehearsal.name)


def _require_rehearsed(client: Client, rehearsal: Entry) -> None:
    """A yes is not enough to give up what is served: it may come from another replica, or from one that ignored it."""
    observed = client.observe()
    if not observed.serves(rehearsal.name, rehearsal.path):
        raise request_error(
            "not_converged",
            f"rehearse adapter {quoted(shown_name(rehearsal.name))} from {quoted(rehearsal.path)}",
            observed.url,
            "the server said yes, but /v1/models does not show it from there",
            NOT_CONVERGED_HINT,
        )


def restore_after(error: VllmError, client: Client, entry: Entry) -> None:
    """Load the old artifact again if the name is not served after a failed swap, and tell the outcome in ``error``.

    The old path is loaded even if the new one was loaded before it got lost: the new one may be what broke the server.
    """
    why = ""
    try:
        served = client.observe().adapter(entry.name)
        if served is None:
            try:
                load(client, replace(entry.reversal, before=None))
            except VllmError as second:
                why = f", since restoring it failed as well ({second.message})"
            served = client.observe().adapter(entry.name)
        error.aftermath = (
            f"it is still served from {quoted(served.root)}" if served else f"it is not served any more{why}"
        )
    except VllmError as unread:
        error.aftermath = f"whether it is served now is not known{why or f' ({unread.message})'}"


def tidy(client: Client, temporary: str) -> None:
    """Unload a temporary name. If that fails, the next converge finds and removes it."""
    with contextlib.suppress(VllmError):
        unload(client, temporary)


def swap_in_place(client: Client, entry: Entry) -> None:
    """Put another artifact under a served name without a gap (0.15 and later): rehearse, load in place, tidy.

    An in-place load that the engine refuses can cost more than the adapter. If a tensor was larger than the layer,
    the list was right and the weights were wrong (0.32.0), and the next request to the name killed the server (0.33.0).
    So a new artifact is rehearsed, as for a swap. If the load is refused all the same, a swap puts the old artifact
    back, which sets every weight again.

    :raises VllmError: the old artifact is served as before, or the sentence says that it is not.
    """
    refused = None
    with _rehearsed(client, entry):
        try:
            _load_in_place(client, entry)
        except VllmError as error:
            if error.code != "artifact_rejected":
                raise
            refused = error
    if refused:
        try:
            swap(client, entry.reversal)
        except VllmError as second:
            refused.aftermath = f"its weights may be damaged, since it could not be loaded again ({second.message})"
        raise refused


def _load_in_place(client: Client, entry: Entry) -> None:
    if entry.keeps_path:
        # The list shows this path whatever the answer was: it cannot tell whether the files were read.
        client.load(entry.name, entry.path, entry.is_3d_lora_weight, in_place=True)
    else:
        load(client, entry, in_place=True)
