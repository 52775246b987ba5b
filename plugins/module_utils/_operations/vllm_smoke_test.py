# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module that sees whether what is listed also answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .._adapters.results import joined_failure
from .._errors import VllmError, also_report, failure
from .._http.client import Client
from .operation import SERVER_OPTIONS, ServerOperation


class SmokeTest(ServerOperation):
    """Ask models for one token each."""

    options: ClassVar = {**SERVER_OPTIONS, "models": {"type": "list", "elements": "str", "required": True}}

    def ask(self, client: Client, options: Mapping, check_mode: bool) -> dict:
        """Send one request for each model."""
        models = list(dict.fromkeys(options["models"]))
        if check_mode:
            return {"changed": False, "answered": []}
        failures: dict[str, VllmError] = {}
        for model in models:
            with also_report(failures.values()):
                try:
                    client.complete(model)
                except VllmError as error:
                    if error.is_unreachable:
                        raise
                    failures[model] = error
        result = failure(joined_failure(failures, len(models), "models")) if failures else {"changed": False}
        return {**result, "answered": [model for model in models if model not in failures]}
