# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file in which Ansible's jsonfile plugin keeps what an inventory remembers."""

from __future__ import annotations

import json
import os

from tests.support.inventory import Inventory, Listing

#: Options of an inventory that remembers.
CACHE = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": "seen"}


class CacheFile:
    def __init__(self, inventory: Inventory) -> None:
        (self._file,) = (inventory.directory / "seen").iterdir()

    def read(self) -> str:
        """Return what the plugin keeps. Since ansible-core 2.19 that is a string in an envelope."""
        text = self._file.read_text(encoding="utf-8")
        return json.loads(text).get("__payload__", text)

    def write(self, text: str) -> None:
        if "__payload__" in json.loads(self._file.read_text(encoding="utf-8")):
            text = json.dumps({"__payload__": text})
        self._file.write_text(text, encoding="utf-8")

    def make_older(self, seconds: int) -> None:
        kept = json.loads(self.read())
        for entry in kept.values():
            entry["asked_at"] -= seconds
        self.write(json.dumps(kept))
        written = self._file.stat().st_mtime - seconds
        os.utime(self._file, (written, written))


def list_after_a_day(inventory: Inventory) -> Listing:
    """List what is seen when all that is remembered is a day old."""
    CacheFile(inventory).make_older(24 * 3600)
    return inventory.list()
