# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from tests.release.building import PROJECT, build


@pytest.fixture(scope="session")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tarball of the project as it is now, with what is not committed yet."""
    return build(PROJECT, tmp_path_factory.mktemp("build"))
