# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module that declares one adapter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .._adapters.declaration import ADAPTER_OPTIONS, declare
from .._adapters.results import adapter_card
from .._converge.converge import CONVERGE_OPTIONS, converge, read_drain_timeout
from .._http.client import Client
from .operation import SERVER_OPTIONS, ServerOperation


class LoraAdapter(ServerOperation):
    """Converge one adapter."""

    options: ClassVar = {**SERVER_OPTIONS, **CONVERGE_OPTIONS, **ADAPTER_OPTIONS}

    def ask(self, client: Client, options: Mapping, check_mode: bool) -> dict:
        """Load, replace or unload the adapter if that is necessary."""
        declared, drain_timeout = declare(options), read_drain_timeout(options)
        converged = converge(client, (declared,), options["reload_strategy"], check_mode, drain_timeout=drain_timeout)
        (entry,) = converged.plan.entries
        adapter = adapter_card(entry, converged.after[entry.name])
        return {**converged.result(), "action": entry.action, "drift": entry.drift, "adapter": adapter}
