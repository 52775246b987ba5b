# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of the module that removes old versions from a store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import ClassVar

from .._adapters.staged import folder_of
from .._adapters.values import checked_node_path
from .._errors import invalid_option
from .operations import FileOperation, diff_of_versions
from .store import locked, removable_versions, remove_version, versions


class LoraStore(FileOperation):
    """Remove old versions from the store."""

    options: ClassVar = {
        "store": {"type": "path", "required": True},
        "names": {"type": "list", "elements": "str", "required": True},
        "roots": {"type": "list", "elements": "str", "required": True},
        "keep": {"type": "int", "default": 2},
    }

    def run(self, options: Mapping, check_mode: bool) -> dict:
        """Run ``vllm_lora_store``.

        :raises VllmError: if an option makes no sense, or a version cannot be removed.
        """
        if options["keep"] < 0:
            raise invalid_option("keep", f"is {options['keep']}", "give 0 or more")
        checked_node_path("Option store", options["store"])
        before: list[str] = []
        removed: list[str] = []
        for name in options["names"]:
            home = os.path.join(options["store"], folder_of(name))
            present = versions(home)
            before += [os.path.join(home, version) for version in present]
            if present:
                to_remove = _remove_versions(home, options["keep"], options["roots"], check_mode)
                removed += [os.path.join(home, version) for version in to_remove]
        kept = [path for path in before if path not in removed]
        return {"changed": bool(removed), "removed": removed, "kept": kept, "diff": diff_of_versions(before, kept)}


def _remove_versions(home: str, keep: int, roots: Iterable[str], check_mode: bool) -> list[str]:
    if check_mode:
        return removable_versions(home, keep, roots)
    with locked(home, "removed"):
        to_remove = removable_versions(home, keep, roots)
        for version in to_remove:
            remove_version(home, version)
        return to_remove
