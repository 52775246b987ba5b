# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy of trust of a host: its key files lie on the controller, and everything else takes their text."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import is_staged
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.keys import read_keys
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.trust import Policy, policy_for, read_trust
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, failure, printable, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.files import finder
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain

#: The variable that holds the policy of a host.
TRUST = "lora_trust"
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
    found = [replace(one, keys=tuple(_text(one, key, find) for key in one.keys)) for one in policies]
    for policy in found:
        read_keys(policy)
    return [policy.as_dict() for policy in found]


def refuse_unverified(where: str, adapters: Iterable[Mapping], written: object) -> None:
    """Refuse adapters that are declared by a path of the server, if the policy enforces a signature for them.

    Nobody reads their files, so nobody can verify them.

    :param where: names the declaration in sentences.
    :param adapters: as ``read_adapters()`` returns them.
    :param written: the policy, as for :func:`trust_with_keys`.
    :raises VllmError: ``untrusted``.
    """
    policies = read_trust(TRUST, written)
    for adapter in adapters:
        policy = policy_for(adapter["name"], policies, TRUST)
        if policy and policy.enforced and adapter.get("state") != "absent" and not is_staged(adapter):
            raise VllmError(
                "untrusted",
                f"{where} declares {quoted(adapter['name'])} by a path, so its files cannot be verified, and {policy.where} "
                "enforces a signature",
                "declare the adapter by src or digest, or set mode to warn for this name",
            )


class InspectionAction(ActionBase):
    """Runs the module that inspects an artifact on the host, with the text of the keys."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        args, wrap_async = plain(self._task.args), self._task.async_val and not self._connection.has_native_async
        try:
            if args.get("trust"):
                args["trust"] = trust_with_keys("trust", args["trust"], finder(self))
            return {**result, **self._execute_module(module_args=args, task_vars=task_vars, wrap_async=wrap_async)}
        except VllmError as error:
            return {**result, **failure(error), "failed": True}
        finally:
            if not wrap_async:
                self._remove_tmp_path(self._connection._shell.tmpdir)


def _text(policy: Policy, key: str, find: Callable[[str], str | None]) -> str:
    if _BEGIN in key:
        return key
    path = find(key)
    if path is None or not os.path.isfile(path):
        raise refused(
            f"option keys of {policy.where} names the file {quoted(key)}, which is no file on the controller",
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
