# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module that tells what a server serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .._http.client import Client
from .operation import SERVER_OPTIONS, ServerOperation


class BaseModelInfo(ServerOperation):
    """List base models and adapters."""

    options: ClassVar = SERVER_OPTIONS

    def ask(self, client: Client, options: Mapping, check_mode: bool) -> dict:
        """Read the model list."""
        observed = client.observe()
        return {
            "changed": False,
            "base_models": [base_model.as_dict() for base_model in observed.base_models],
            "adapters": [adapter.as_dict() for adapter in observed.adapters_of_users],
            "roots": sorted({adapter.root for adapter in observed.adapters}),
        }
