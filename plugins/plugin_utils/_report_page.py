# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show a report as one HTML page."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import jinja2
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import VERDICTS
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report_text import JUDGED, difference, waived
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report_trend import trend_bars, trend_sentence

_TEMPLATE = Path(__file__).with_name("_drift_report.html.j2")


@functools.lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    # Names of sites, servers and models are untrusted text.
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))


def page(fleet: Mapping, title: str) -> str:
    """Return the report as one HTML page that needs no other file."""
    rows = [dict(row, cells={cell["name"]: cell for cell in row["adapters"]}) for row in fleet["sites"]]
    trend = fleet["history"]["trend"] if fleet["history"] else None
    return _template().render(
        title=title,
        fleet=fleet,
        rows=rows,
        verdicts=VERDICTS,
        judged=JUDGED,
        difference=difference,
        waived=waived,
        chart=trend_bars(trend) if trend else None,
        trend=trend_sentence(trend) if trend else "",
    )
