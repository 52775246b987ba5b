# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bar chart as SVG, on a ground of its own, so that it can be read on light and on dark pages."""

from __future__ import annotations

from html import escape

_LABELS, _BARS, _ROW, _TOP = 300, 330, 30, 44
# For this chart alone, wherever it is put.
_STYLE = (
    ".bar-chart text { font: 13px sans-serif; fill: #222 } .bar-chart .title { font-weight: bold }"
    " .bar-chart .bar { fill: #8a94a6 } .bar-chart .ours { fill: #2f7d5b }"
)


def bar_chart(title: str, bars: list[tuple[str, float, bool]], unit: str) -> str:
    """Horizontal bars that begin at 0. bars: label, value, and whether it is drawn as one of ours."""
    width, height = _LABELS + _BARS + 70, _TOP + _ROW * len(bars) + 6
    longest = max(value for _label, value, _note in bars)
    lines = [
        "<!-- Copyright (c) 2026, sovereign.vllm contributors. SPDX-License-Identifier: GPL-3.0-or-later -->",
        f'<svg class="bar-chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text class="title" x="8" y="24">{escape(title)}</text>',
    ]
    for row, (label, value, is_ours) in enumerate(bars):
        y = _TOP + _ROW * row
        length = max(1.0, _BARS * value / longest)
        lines += [
            f'<text x="{_LABELS - 8}" y="{y + 15}" text-anchor="end">{escape(label)}</text>',
            f'<rect class="{"ours" if is_ours else "bar"}" x="{_LABELS}" y="{y}" width="{length:.1f}" height="20" rx="2"/>',
            f'<text x="{_LABELS + length + 6:.1f}" y="{y + 15}">{value:.1f}{escape(unit)}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"
