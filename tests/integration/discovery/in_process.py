# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plugin in this process, where a test needs many inventories and no server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader


def parse(directory: Path, **options: Any) -> dict[str, dict[str, Any]]:
    """Return the variables of the hosts, in order. Raises what the plugin raises."""
    file = directory / "test.vllm.yml"
    file.write_text(json.dumps({"plugin": "sovereign.vllm.vllm", **options}), encoding="utf-8")
    data = InventoryData()
    inventory_loader.get("sovereign.vllm.vllm").parse(data, DataLoader(), str(file))
    return {name: host.vars for name, host in data.hosts.items()}
