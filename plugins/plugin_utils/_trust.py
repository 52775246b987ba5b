# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy of trust of a host: its key files lie on the controller, and everything else takes their text."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.trust import Policy, read_trust
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import printable, quoted

_BEGIN = "-----BEGIN "
_MAX_KEYS = 1 << 20  # bytes of one file, which may hold a chain of certificates


def trust_with_keys(where: str, written: object, find: Callable[[str], str | None]) -> list[dict]:
    """Return a policy with the text of its key files, which needs nothing else of this machine.

    :param where: names the policy in sentences, such as ``lora_trust``.
    :param written: the policy as somebody has written it, plain data.
    :param find: returns the path of the controller that a relative or absolute path means, or None if nothing is there.
    :raises VllmError: ``invalid_request``, also for a file that is missing or cannot be read, and for a key that is none.
    """
    policies = read_trust(where, written)
    return [replace(one, keys=tuple(_text(one, key, find) for key in one.keys)).as_dict() for one in policies]


def _text(policy: Policy, key: str, find: Callable[[str], str | None]) -> str:
    if _BEGIN in key:
        return key
    path = find(key)
    if path is None or not os.path.isfile(path):
        raise refused(
            f"option keys of {policy.where} names the file {quoted(key)}, which does not exist on the controller",
            "give the path of a public key or certificate in PEM format, or its text",
        )
    try:
        with open(path, encoding="ascii") as stream:
            text = stream.read(_MAX_KEYS + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no PEM text"
        raise refused(
            f"option keys of {policy.where} names the file {quoted(path)}, which cannot be read ({printable(reason)})",
            "give a public key or certificate in PEM format",
        ) from None
    if _BEGIN not in text or len(text) > _MAX_KEYS:
        raise refused(
            f"option keys of {policy.where} names the file {quoted(path)}, which holds no key",
            "give a public key or certificate in PEM format",
        )
    return text
