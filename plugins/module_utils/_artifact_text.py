# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that a stranger wrote: JSON without what readers disagree on, and values as they may appear in a message."""

from __future__ import annotations

import json

_LONGEST_NUMBER = 20  # digits of 2**64, the largest number in a safetensors header
_LONGEST_INTEGER = 4300  # digits of the longest integer that Python 3.11 and later take
_LONGEST_QUOTE = 120


def _unique_members(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("it names the same key twice")
    return members


def _bounded_integer(digits, longest=_LONGEST_INTEGER):
    # Converting a million digits takes Python before 3.11 many seconds.
    if len(digits) > longest:
        raise ValueError(f"it holds a number of {len(digits)} digits")
    return int(digits)


def _short_integer(digits):
    return -0.0 if digits == "-0" else _bounded_integer(digits, _LONGEST_NUMBER)  # no integer, as safetensors sees it


def _no_constant(name):
    raise ValueError(f"it holds {name}, which is not JSON")


def strict_decoder() -> json.JSONDecoder:
    """Return a decoder that refuses duplicate keys, ``NaN`` and endless numbers.

    It raises ``ValueError``, and ``RecursionError`` for deep nesting.
    """
    return json.JSONDecoder(object_pairs_hook=_unique_members, parse_int=_short_integer, parse_constant=_no_constant)


def config_decoder() -> json.JSONDecoder:
    """Return a decoder that takes what vLLM takes as a config, with ``NaN`` and the like, but no key twice.

    It raises ``ValueError``, and ``RecursionError`` for deep nesting.
    """
    return json.JSONDecoder(object_pairs_hook=_unique_members, parse_int=_bounded_integer)


def is_integer(value) -> bool:
    """Whether JSON has an integer here; to Python, true is one as well."""
    return isinstance(value, int) and not isinstance(value, bool)


def shown(value) -> str:
    """Return ``value`` for a message: in quotes, short, and without characters that a terminal would obey."""
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "..."
