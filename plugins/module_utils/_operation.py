# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module does, apart from where it runs: options in, result out, every failure already in its final form."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ._argspec import endpoint_of
from ._client import Client
from ._errors import UNREACHABLE_CODES, VllmError, failure
from ._requests import REQUESTS_IMPORT_ERROR

_MISSING_HINT = "install requests for this Python, or have a host that has it speak to the server with delegate_to"


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
            _require_requests()
            with Client(endpoint_of(options)) as client:
                result = self.run(client, options, check_mode)
        except VllmError as error:
            result = failure(error)
        if "error" in result:
            offline = result["error"]["code"] in UNREACHABLE_CODES and options["unreachable_as"] == "unreachable"
            result["unreachable" if offline else "failed"] = True
        return result


def _require_requests() -> None:
    """Raise VllmError where the Python that runs this lacks the library: a host can have several."""
    if REQUESTS_IMPORT_ERROR:
        reason = REQUESTS_IMPORT_ERROR.strip().splitlines()[-1]
        sentence = f"Could not import requests with {sys.executable} on {platform.node()}: {reason}; {_MISSING_HINT}."
        raise VllmError("requests_missing", sentence, detail=reason, hint=_MISSING_HINT)
