# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from tests.vllm_stand_in import write_examples


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Adapters that nobody changes, see tests/vllm_stand_in/adapters.py."""
    return write_examples(tmp_path_factory.mktemp("examples"))
