# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install, start and stop a real vLLM: `server.py --help`. Runs from anywhere, with any Python from 3.10 on."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])  # the project root in place of this directory
    from tests.real_vllm.command_line import main

    main()
