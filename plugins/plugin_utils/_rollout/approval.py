# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the plans that a person has approved: those in the report of an audit."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, quoted

_HINT = "give the drift.json of an audit by sovereign.vllm.drift_audit"


def approved_plans(variable: str, path: str) -> dict[str, str]:
    """Return the plan of each site that the report could judge, by the name of the site.

    :param variable: names the path in errors.
    :param path: the report of an audit, relative to where the playbook is started.
    :raises VllmError: ``invalid_request`` if the file cannot be read, or is no such report.
    """
    file = os.path.abspath(os.path.expanduser(path))
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as problem:
        raise refused(f"{variable} is {quoted(file)}, which cannot be read ({problem.strerror})", _HINT) from None
    except (ValueError, RecursionError):
        raise _foreign(variable, file, "is not JSON") from None
    try:
        plans = {_text(site["name"]): site["plan_id"] for site in content["sites"]}
        return {name: _text(plan) for name, plan in plans.items() if plan is not None}
    except (TypeError, KeyError):
        raise _foreign(variable, file, "is no report with sites and their plan_id") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _foreign(variable: str, file: str, problem: str) -> VllmError:
    return refused(f"{variable} is {quoted(file)}, which {problem}", _HINT)
