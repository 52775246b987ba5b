# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stand_in import write_adapter


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return write_adapter(tmp_path / "adapter", rank=8)


@pytest.fixture
def adapter_with_notes(adapter: Path) -> Path:
    """An adapter with a file that every release reads, one that some read, and one that none reads."""
    (adapter / "notes").mkdir()
    (adapter / "notes" / "README.md").write_text("Trained on Tuesday.", encoding="utf-8")
    (adapter / "vocab.json").write_text("{}", encoding="utf-8")
    return adapter
