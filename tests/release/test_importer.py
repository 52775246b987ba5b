# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Galaxy does with an upload."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

# As demanding as it can be without containers.
STRICT = ("CHECK_CHANGELOG", "CHECK_REQUIRED_TAGS", "REQUIRE_V1_OR_GREATER", "RUN_ANSIBLE_DOC", "RUN_ANSIBLE_LINT")


def test_the_importer_has_nothing_to_say(tarball: Path, tmp_path: Path) -> None:
    imported = subprocess.run(
        [sys.executable, "-m", "galaxy_importer.main", tarball],
        cwd=tmp_path,
        env={**os.environ, **{f"GALAXY_IMPORTER_{name}": "true" for name in STRICT}},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    said = [line for line in imported.stdout.splitlines() if not re.match(r"Loading \w+ ", line)]
    # Any other line is a warning, or a finding of ansible-lint's.
    assert [re.sub(r"[\d.]+", "N", line) for line in said] == [
        "Importing with galaxy-importer N",
        "Getting doc strings via ansible-doc",
        "Finding content inside collection",
        "Linting collection via ansible-lint N",
        "Nansible-lint run complete",
        "Collection loading complete",
        "Importer processing completed successfully",
    ]
