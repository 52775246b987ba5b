# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module that declares all adapters of a node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .._adapters.declaration import ADAPTER_OPTIONS, declare_all
from .._adapters.pruning import PRUNE_OPTIONS, Pruning
from .._adapters.results import entry_result
from .._converge.converge import CONVERGE_OPTIONS, converge
from .._http.client import Client
from .operation import SERVER_OPTIONS, ServerOperation


class LoraAdapters(ServerOperation):
    """Converge a whole node."""

    options: ClassVar = {
        **SERVER_OPTIONS,
        **CONVERGE_OPTIONS,
        "adapters": {"type": "list", "elements": "dict", "required": True, "options": ADAPTER_OPTIONS},
        **PRUNE_OPTIONS,
    }

    def ask(self, client: Client, options: Mapping, check_mode: bool) -> dict:
        """Load, replace and unload adapters as far as that is necessary."""
        pruning = Pruning(**{name: options[name] for name in PRUNE_OPTIONS})
        declared = declare_all(options["adapters"])
        converged = converge(client, declared, options["reload_strategy"], check_mode, pruning)
        adapters = [
            entry_result(entry, converged.after[entry.name], converged.failures.get(entry.name))
            for entry in converged.plan.entries
        ]
        summary = converged.plan.summary
        return {**converged.result(), "adapters": adapters, "summary": summary, "version": converged.version}
