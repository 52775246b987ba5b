# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module that declares all adapters of a node."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from .._adapters.declaration import ADAPTER_OPTIONS, declare_all
from .._adapters.plan import verdict_of
from .._adapters.pruning import PRUNE_OPTIONS, Pruning
from .._adapters.results import entry_result, verdict_result
from .._adapters.revocation import REVOKE_OPTIONS, read_revoked
from .._converge.converge import CONVERGE_OPTIONS, converge
from .._errors import invalid_option, quoted
from .._http.client import Client
from .._vllm.requirements import REQUIRE_OPTIONS, read_requirements
from .operation import SERVER_OPTIONS, ServerOperation


class LoraAdapters(ServerOperation):
    """Converge a whole node."""

    options: ClassVar = {
        **SERVER_OPTIONS,
        **CONVERGE_OPTIONS,
        "adapters": {"type": "list", "elements": "dict", "required": True, "options": ADAPTER_OPTIONS},
        **PRUNE_OPTIONS,
        **REQUIRE_OPTIONS,
        **REVOKE_OPTIONS,
        "expect_plan": {"type": "str"},
    }

    def ask(self, client: Client, options: Mapping, check_mode: bool) -> dict:
        """Load, replace and unload adapters as far as that is necessary."""
        pruning = Pruning(**{name: options[name] for name in PRUNE_OPTIONS})
        declared = declare_all(options["adapters"])
        requirements, expect_plan = read_requirements(options), options["expect_plan"]
        revoked = read_revoked(options)
        if expect_plan is not None and not re.fullmatch("sha256:[0-9a-f]{64}", expect_plan):
            raise invalid_option("expect_plan", f"is {quoted(expect_plan)}", "give the plan_id of an audit")
        converged = converge(
            client, declared, options["reload_strategy"], check_mode, pruning, requirements, expect_plan, revoked
        )
        adapters = [
            entry_result(entry, converged.after[entry.name], converged.failures.get(entry.name))
            for entry in converged.plan.entries
        ]
        verdict = verdict_result(converged.plan)
        return {**converged.result(), **verdict, "adapters": adapters, "version": converged.version}

    def result(self, options: Mapping, check_mode: bool) -> dict:
        """Return the result as a task reports it. A site that could not be compared has a verdict as well."""
        result = super().result(options, check_mode)
        return {"verdict": verdict_of(result["error"]["code"]), **result} if "error" in result else result
