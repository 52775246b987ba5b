# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the trend of a fleet for the page of its report, without a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import VERDICTS
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.text import tally, word

_BAR, _GAP, _HEIGHT = 8, 2, 48


def trend_counts(trend: Sequence[Mapping]) -> str:
    """Return how the number of sites has changed for each verdict, from the first run of the trend to the last one.

    :param trend: ``history.trend`` of the report.
    """
    first, last = trend[0], trend[-1]
    return ", ".join(
        f"{word(verdict)} {last[verdict]}" if first[verdict] == last[verdict] else _change(verdict, first, last)
        for verdict in reversed(VERDICTS)
        if first[verdict] or last[verdict]
    )


def _change(verdict: str, first: Mapping, last: Mapping) -> str:
    return f"{word(verdict)} {first[verdict]} → {last[verdict]}"


def trend_bars(trend: Sequence[Mapping]) -> dict:
    """Return what the drawing needs: its size, and the bars with the coloured pieces of each.

    :param trend: ``history.trend`` of the report.
    """
    highest = max(sum(run[verdict] for verdict in VERDICTS) for run in trend) or 1
    bars = [
        {"x": place * (_BAR + _GAP), "title": _title(run), "pieces": _pieces(run, highest)}
        for place, run in enumerate(trend)
    ]
    return {"width": len(bars) * (_BAR + _GAP) - _GAP, "height": _HEIGHT, "bar": _BAR, "bars": bars}


def _title(run: Mapping) -> str:
    return f"{run['at']}: {tally(run) or 'no site'}"


def _pieces(run: Mapping, highest: int) -> list[dict]:
    """Return the pieces of a bar, from the bottom, so that all bars of sites in sync stand on one line."""
    pieces, below = [], 0
    for verdict in reversed(VERDICTS):
        if run[verdict]:
            bottom = _HEIGHT - _HEIGHT * below / highest
            below += run[verdict]
            top = _HEIGHT - _HEIGHT * below / highest
            pieces.append({"verdict": verdict, "y": round(top, 2), "height": round(bottom - top, 2)})
    return pieces
