# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories of adapters on a node, of which a server may list some that are gone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import ClassVar

from .operations import FileOperation


class LoraDirectoryInfo(FileOperation):
    """Tell whether directories of adapters are still there."""

    options: ClassVar = {"paths": {"type": "list", "elements": "str", "required": True}}

    def run(self, options: Mapping, check_mode: bool) -> dict:
        """Run ``vllm_lora_directory_info``."""
        return {"changed": False, "directories": [_state_of_directory(path) for path in options["paths"]]}


def _state_of_directory(path: str) -> dict:
    state, detail = "present", ""
    try:
        # vLLM needs this file whenever it reads an adapter.
        os.stat(os.path.join(path, "adapter_config.json"))
    except (FileNotFoundError, NotADirectoryError):
        state = "gone"
    except (OSError, ValueError) as error:
        # The user may not enter a directory above it, or the server lists a path that no file system can have.
        state, detail = "unreadable", getattr(error, "strerror", None) or str(error)
    return {"path": path, "state": state, "detail": detail}
