# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo as it looks in a terminal, as a page of HTML: it is run for this, and some of its steps are shown."""

from __future__ import annotations

import fcntl
import io
import os
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

from tools.pictures.steps import chosen_steps

_ROWS, _COLUMNS = 50, 100
_PAGE = """\
<!doctype html>
<meta charset="utf-8">
<title>Demo</title>
<style>
body {{ margin: 0; width: max-content; padding: 18px 24px; background: {background}; color: {foreground} }}
pre {{ margin: 0; font: 15px/1.3 "DejaVu Sans Mono", monospace }}
</style>
<pre>{code}</pre>
"""


def write_page(directory: Path) -> Path:
    """Write the page into the directory, and return its path."""
    console = Console(
        record=True, file=io.StringIO(), width=_COLUMNS + 2, force_terminal=True, color_system="truecolor"
    )
    console.print(Text.from_ansi(chosen_steps(_run_demo())), soft_wrap=True)
    html = console.export_html(theme=SVG_EXPORT_THEME, code_format=_PAGE, inline_styles=True)
    file = directory / "demo.html"
    file.write_text(html, encoding="utf-8")
    return file


def _run_demo() -> str:
    """Return the output of the demo on a terminal, which has colours."""
    reading, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with subprocess.Popen(
        [sys.executable, "-m", "tools.demo"], env=environment, stdout=terminal, stderr=terminal
    ) as demo:
        os.close(terminal)
        shown = b"".join(iter(lambda: _read(reading), b""))
    os.close(reading)
    text = shown.decode().replace("\r\n", "\n")
    if demo.returncode:
        raise RuntimeError(f"The demo failed:\n{text}")
    return text


def _read(terminal: int) -> bytes:
    """Return the next bytes, or none if the program on the terminal has ended."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
