# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The known behaviour of vLLM releases. A version that cannot be read is None, and is treated as a current one."""

from __future__ import annotations

import re

from .._errors import quoted, request_error

#: What to do about a release whose Rust front-end and engine do not agree on what a load is.
BROKEN_RUST_HINT = (
    "the artifact is not at fault: upgrade to vLLM 0.33.0, or start the server without VLLM_USE_RUST_FRONTEND"
)
OLDEST_SUPPORTED = (0, 7, 0)
# Its Rust front-end sends a field that its engine has dropped: every load is answered 500.
_RUST_CANNOT_LOAD = (0, 32, 0)
_LOAD_IN_PLACE_SINCE = (0, 15, 0)
#: From which release on ``load_inplace`` is forgotten after the load.
LOAD_IN_PLACE_STICKS_UNTIL = (0, 33, 0)
#: Since and until which release the prefix cache knows an adapter by its name alone.
PREFIX_CACHE_BY_NAME = ((0, 11, 1), (0, 31, 0))

_MIXES_UP_MODELS_UNTIL = (0, 33, 0)
#: Tokens in a block of the KV cache, by which a CPU can be told from a GPU.
BLOCK_SIZE_OF_A_CPU = 128


def parse_version(text: str | None) -> tuple[int, int, int] | None:
    """Return (major, minor, patch). A build without tags calls itself ``0.1.dev…``, which tells nothing."""
    found = re.match(r"(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?", text or "")
    if not found or (text or "").startswith("0.1.dev"):
        return None
    return int(found.group(1)), int(found.group(2)), int(found.group(3) or 0)


def require_supported(version: str | None, url: str) -> None:
    """Refuse a server before 0.7.0: 0.6.4 to 0.6.6 do not list the adapters that were loaded at run time.

    :raises VllmError: ``invalid_request``.
    """
    parsed = parse_version(version)
    if parsed and parsed < OLDEST_SUPPORTED:
        raise request_error(
            "invalid_request",
            "manage adapters",
            url,
            f"the server is vLLM {quoted(version)}, which cannot show what it serves",
            "upgrade it to 0.7.0 or later",
        )


def require_loading(version: str | None, rust_front_end: bool, url: str) -> None:
    """Refuse the one release whose Rust front-end cannot load any adapter (0.32.0, seen there; 0.33.0 is right).

    :raises VllmError: ``invalid_request``.
    """
    if rust_front_end and parse_version(version) == _RUST_CANNOT_LOAD:
        raise request_error(
            "invalid_request",
            "load adapters",
            url,
            f"the server is vLLM {quoted(version)}, whose Rust front-end cannot load any",
            BROKEN_RUST_HINT,
        )


def require_load_in_place(version: str | None, url: str) -> None:
    """Refuse ``load_inplace`` where the server would ignore it (before 0.15.0).

    :raises VllmError: ``invalid_request``.
    """
    parsed = parse_version(version)
    if parsed and parsed < _LOAD_IN_PLACE_SINCE:
        raise request_error(
            "invalid_request",
            "reload in place",
            url,
            f"option reload_strategy is in_place, which vLLM {quoted(version)} ignores",
            "use the strategy replace, or vLLM 0.15 or later",
        )


def mixes_up_models(version: str | None) -> bool:
    """Return whether a CPU answers requests for the base model with an adapter's weights if both are in one batch.

    Seen on 0.32.0 (vllm-project/vllm#48421), and no more on 0.33.0.
    """
    parsed = parse_version(version)
    return parsed is not None and parsed < _MIXES_UP_MODELS_UNTIL


def load_in_place_sticks(version: str | None) -> bool:
    """Return whether an adapter that was loaded in place is read from disk again at every step (0.15 to 0.32).

    Measured on 0.32.0 and 0.33.0.
    """
    parsed = parse_version(version)
    return parsed is not None and parsed < LOAD_IN_PLACE_STICKS_UNTIL


def cache_risk(version: str | None, same_path: bool) -> str:
    """Return why a swap under one name can answer from old prefixes, or an empty string where it cannot.

    Measured on 0.30.0, 0.32.0 and 0.33.0: the key of the prefix cache is the name alone from 0.11.1 to 0.30, name and path
    from 0.31 on.
    """
    parsed = parse_version(version)
    since, until = PREFIX_CACHE_BY_NAME
    if parsed and parsed < since:
        return ""
    by_name = parsed is not None and parsed < until
    if not (by_name or same_path):
        return ""
    key = "the adapter's name alone" if by_name else "the adapter's name and path"
    return (
        f"vLLM keys its prefix cache by {key}, so prompts seen before can still be answered from the old weights; "
        "give a new artifact a new name, or turn prefix caching off."
    )
