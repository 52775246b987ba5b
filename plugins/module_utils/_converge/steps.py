# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load and unload, each carried to the point where the model list settles what happened."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from .._adapters.models import REHEARSAL_SUFFIX, normalised, shown_name
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


def load(
    client: Client,
    name: str,
    path: str,
    is_3d_lora_weight: bool = False,
    in_place: bool = False,
    must_be_read: bool = False,
) -> None:
    """Load an adapter and settle a refused or lost answer by the model list: a load goes on when its client has gone.

    :param must_be_read: "already loaded" is no success, since the list cannot tell which files the weights are from.
    :raises VllmError: when the server does not serve it from this path.
    """
    started = time.monotonic()
    try:
        client.load(name, path, is_3d_lora_weight, in_place)
    except VllmError as error:
        if error.code in _NOTHING_WAS_DONE or error.unsent or (must_be_read and error.code == "not_converged"):
            raise
        if not _was_loaded(client, name, path, error, started):
            if error.is_unreachable:
                error.advise(_LOST_LOAD_HINT)
            raise


def _was_loaded(client: Client, name: str, path: str, error: VllmError, started: float) -> bool:
    patience = 0.0
    if error.outcome_unknown:
        left = client.endpoint.load_timeout - (time.monotonic() - started)
        patience = max(left, client.endpoint.timeout)
    with also_report([error]):
        return client.poll(lambda observed: observed.serves(name, path), patience).serves(name, path)


def unload(client: Client, name: str) -> None:
    """Unload an adapter. Where the answer is not a plain yes, a well-formed model list has to show that it is gone.

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


def swap(client: Client, name: str, old_path: str, new_path: str, is_3d_lora_weight: bool) -> None:
    """Put another artifact under a served name: rehearse, swap, tidy. Works on every release from 0.7.

    The rehearsal validates the artifact while the served one is untouched. If the swap fails all the same, the old path
    is loaded again.

    :raises VllmError: and the old artifact is served as before, or the sentence says that it is not.
    """
    with _rehearsed(client, name, new_path, is_3d_lora_weight):
        _exchange(client, name, old_path, new_path, is_3d_lora_weight)


@contextlib.contextmanager
def _rehearsed(client: Client, name: str, path: str, is_3d_lora_weight: bool) -> Iterator[None]:
    """Serve the artifact under the temporary name of ``name`` meanwhile, so that the server has read and activated it.

    A plain load that fails is harmless on every release, whatever it fails of.

    :raises VllmError: when the server refuses the artifact.
    """
    temporary = name + REHEARSAL_SUFFIX
    load(client, temporary, path, is_3d_lora_weight)
    try:
        _require_rehearsed(client, temporary, path)
        yield
    finally:
        tidy(client, temporary)


def _require_rehearsed(client: Client, temporary: str, path: str) -> None:
    """A yes is not enough to give up what is served: it may come from another replica, or from one that ignored it."""
    observed = client.observe()
    if not observed.serves(temporary, path):
        raise request_error(
            "not_converged",
            f"rehearse adapter {quoted(shown_name(temporary))} from {quoted(path)}",
            observed.url,
            "the server said yes, but /v1/models does not show it from there",
            NOT_CONVERGED_HINT,
        )


def _exchange(client: Client, name: str, old_path: str, new_path: str, is_3d_lora_weight: bool) -> None:
    try:
        unload(client, name)
        same_path = normalised(old_path) == normalised(new_path)
        load(client, name, new_path, is_3d_lora_weight, must_be_read=same_path)
    except VllmError as error:
        raise restored(client, name, old_path, is_3d_lora_weight, error) from None


def restored(client: Client, name: str, old_path: str, is_3d_lora_weight: bool, error: VllmError) -> VllmError:
    """See to it that the name is served again after a failed swap, and return ``error`` with what became of that.

    From the old path even if the new one was loaded before it got lost: that may be what broke the server.
    """
    why = ""
    try:
        served = client.observe().adapter(name)
        if served is None:
            try:
                load(client, name, old_path, is_3d_lora_weight)
            except VllmError as second:
                why = f", since restoring it failed as well ({second.message})"
            served = client.observe().adapter(name)
        error.aftermath = (
            f"it is still served from {quoted(served.root)}" if served else f"it is not served any more{why}"
        )
    except VllmError as unread:
        error.aftermath = f"whether it is served now is not known{why or f' ({unread.message})'}"
    return error


def tidy(client: Client, temporary: str) -> None:
    """Unload a temporary name. What cannot be removed now is found and removed by the next converge."""
    try:
        unload(client, temporary)
    except VllmError:
        pass


def swap_in_place(client: Client, name: str, old_path: str, new_path: str, is_3d_lora_weight: bool) -> None:
    """Put another artifact under a served name without a gap (0.15 and later): rehearse, load in place, tidy.

    An in-place load that the engine refuses can cost more than the adapter. Where a tensor was larger than the layer,
    the list was right and the weights were wrong (0.32.0), and the next request to the name killed the server (0.33.0).
    So a new artifact is rehearsed, as for a swap. If the load is refused all the same, a swap puts the old artifact
    back, which sets every weight anew.

    :raises VllmError: and the old artifact is served as before, or the sentence says that it is not.
    """
    refused = None
    with _rehearsed(client, name, new_path, is_3d_lora_weight):
        try:
            _load_in_place(client, name, old_path, new_path, is_3d_lora_weight)
        except VllmError as error:
            if error.code != "artifact_rejected":
                raise
            refused = error
    if refused:
        try:
            swap(client, name, old_path, old_path, is_3d_lora_weight)
        except VllmError as second:
            refused.aftermath = f"its weights may be damaged, since it could not be loaded anew ({second.message})"
        raise refused


def _load_in_place(client: Client, name: str, old_path: str, new_path: str, is_3d_lora_weight: bool) -> None:
    if normalised(old_path) == normalised(new_path):
        # Whatever the answer was, the list shows this path: it cannot tell whether the files were read.
        client.load(name, new_path, is_3d_lora_weight, in_place=True)
    else:
        load(client, name, new_path, is_3d_lora_weight, in_place=True)
