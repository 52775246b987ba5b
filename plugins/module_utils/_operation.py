# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module does, apart from where it runs: options in, result out, every failure already in its final form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ._argspec import endpoint_of
from ._client import Client
from ._errors import UNREACHABLE_CODES, VllmError


@dataclass(frozen=True)
class Operation:
    """One module's work.

    :param argument_spec: as ``AnsibleModule`` takes it.
    :param run: gets the client, the options and whether it is check mode; returns the result or raises ``VllmError``.
    """

    argument_spec: dict
    run: Callable[[Client, Mapping, bool], dict]

    def result(self, options: Mapping, check_mode: bool) -> dict:
        """Return the result as a task reports it. An offline server is ``unreachable`` without ``failed``, which is how
        Ansible tells a host that is out of reach from one where something went wrong."""
        try:
            with Client(endpoint_of(options)) as client:
                result = self.run(client, options, check_mode)
        except VllmError as error:
            result = failure(error)
        if "error" in result:
            offline = result["error"]["code"] in UNREACHABLE_CODES and options["unreachable_as"] == "unreachable"
            result["unreachable" if offline else "failed"] = True
        return result


def failure(error: VllmError) -> dict:
    """Return the keys that tell of a failure."""
    return {"changed": False, "msg": error.message, "error": error.as_dict()}
