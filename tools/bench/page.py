# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the figures that were taken into the performance guide: python -m tools.bench.page [DIRECTORY [GUIDE]]"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

from tools.bench import audit, bundle, discovery, fleet, swap
from tools.bench.machine import show as show_machine

GUIDE = Path(__file__).parents[2] / "docs" / "docsite" / "rst" / "performance_guide.rst"
PARTS = {
    "fleet": ("Cost of a fleet on the controller", fleet.show),
    "audit": ("Cost of an audit of a fleet", audit.show),
    "bundle": ("Cost of a bundle for a site on its own", bundle.show),
    "discovery": ("Cost of discovery in a fleet with dead sites", discovery.show),
    "swap": ("Cost of a change of path on the server", swap.show),
}
_REGION = re.compile(r"(?<=^\.\. figures: begin)(.*?\n).*?(?=^\.\. figures: end)", re.MULTILINE | re.DOTALL)


def sections(directory: Path) -> str:
    """The figures of the JSON files in this directory, and the chart, as reStructuredText. Missing parts are left out."""
    taken = [name for name in PARTS if (directory / f"{name}.json").exists()]
    return "\n".join(_section(name, json.loads((directory / f"{name}.json").read_text()), directory) for name in taken)


def _section(name: str, figures: dict[str, Any], directory: Path) -> str:
    title, show = PARTS[name]
    heading = f"{title}\n{'^' * len(title)}\n\nTaken on {show_machine(figures['machine'])}."
    chart = directory / f"{name}.svg"
    # The site's builder copies no images, so the chart is part of the page.
    raw = f".. raw:: html\n\n{textwrap.indent(chart.read_text(), '   ')}\n" if chart.exists() else ""
    lines = (line.removeprefix("  ") for line in show(figures).splitlines())
    return f"{heading}\n\n{raw}.. code-block:: text\n\n{textwrap.indent(chr(10).join(lines), '   ')}\n"


def write_page(directory: Path, guide: Path) -> None:
    """Replace the figures of the guide by those in this directory. Raises ValueError when it has no place for them."""
    text, count = _REGION.subn(lambda found: f"{found[1]}\n{sections(directory)}\n", guide.read_text(encoding="utf-8"))
    if count != 1:
        raise ValueError(f"{guide} has {count} places for figures, not one.")
    guide.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    write_page(given[0] if given else Path(".build/bench"), given[1] if given[1:] else GUIDE)
