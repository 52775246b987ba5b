# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The known behaviour of vLLM releases. A version that cannot be read is None, and is treated as a current one."""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import eq, ge, gt, le, lt, ne

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


# A release, and what makes it an earlier or a later build: 0.34.0rc1, 0.33.1.dev7+g0a1b2c3, 0.8.5.post1+cu128.
_BUILD = re.compile(
    r"(\d{1,9}(?:\.\d{1,9}){1,3})(?:(a|b|rc)(\d{1,9}))?(?:\.?(post)(\d{1,9}))?(?:\.?(dev)(\d{1,9}))?(?:\+.*)?\Z",
    re.DOTALL,
)
_COMPARISON = re.compile(r"\s*(>=|<=|==|!=|>|<)\s*(\S+)\s*\Z")
_OPERATORS: dict[str, Callable[[tuple, tuple], bool]] = {">=": ge, "<=": le, "==": eq, "!=": ne, ">": gt, "<": lt}
# Where a build stands beside its release: before it, at it, after it.
_STAGES = {"a": -3, "b": -2, "rc": -1, None: 0}


def parse_comparisons(text: str) -> tuple[tuple[str, str], ...] | None:
    """Return the operators and releases of a text like ``>=0.31,<0.34``, or None if it is no such text."""
    found = [_COMPARISON.match(part) for part in text.split(",")]
    pairs = [(match.group(1), match.group(2)) for match in found if match]
    return tuple(pairs) if len(pairs) == len(found) and all(_BUILD.match(one) for _sign, one in pairs) else None


def satisfies(version: str, comparisons: tuple[tuple[str, str], ...]) -> bool:
    """Return whether a version meets all comparisons.

    A candidate or development build comes before its release, and a post-release after it. As for Python packages, ``<0.34``
    leaves out the candidates of 0.34, and ``>0.33`` the post-releases of 0.33.

    :param version: one that :func:`parse_version` can read.
    """
    return all(_holds(_place_of(version), sign, _place_of(bound)) for sign, bound in comparisons)


def _holds(place: tuple, sign: str, bound: tuple) -> bool:
    (release, build), (limit, limit_build) = place, bound
    if (
        release == limit
        and limit_build == _AT_RELEASE
        and ((sign == "<" and build < limit_build) or (sign == ">" and build > limit_build))
    ):
        return False
    return _OPERATORS[sign](place, bound)


def _place_of(version: str) -> tuple[tuple[int, ...], tuple]:
    """Return the release, and the build beside it, so that builds compare in the order in which they were made."""
    match = _BUILD.match(version)
    if not match:
        # A distributor's own suffix: the release is meant.
        return (*(parse_version(version) or (0, 0, 0)), 0), _AT_RELEASE
    numbers = [int(number) for number in match.group(1).split(".")]
    pre, pre_number, post, post_number, dev, dev_number = match.groups()[1:]
    stage = -4 if dev and not pre and not post else _STAGES[pre]
    after = int(post_number) + 1 if post else 0
    build = (stage, int(pre_number or 0), after, int(dev_number) if dev else _NO_DEVELOPMENT)
    return (*numbers, *[0] * (4 - len(numbers))), build


# Above any number of a development build.
_NO_DEVELOPMENT = 10**9
_AT_RELEASE = (0, 0, 0, _NO_DEVELOPMENT)


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
