# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark works, and what it says about requests is exact; how fast anything is depends on the machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from tools.bench.page import GUIDE, write_page

PROJECT = Path(__file__).resolve().parents[2]


def test_a_quick_run_takes_all_figures(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.bench", "--quick", "--output", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.environ["ANSIBLE_COLLECTIONS_PATH"]}
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

    swap, fleet, audit, bundle, discovery = (
        json.loads((tmp_path / f"{name}.json").read_text())
        for name in ("swap", "fleet", "audit", "bundle", "discovery")
    )
    assert all(bundle["seconds"][name] for name in ("plain", "bundle", "apply"))
    assert swap["refused"]["gaps"] == 0
    assert swap["refused"]["codes"] == ["artifact_rejected"]
    assert swap["in_flight"]["on_old_weights"] == len(swap["in_flight"]["gaps"]) > 0
    for key in ("one_adapter", "node"):
        assert fleet["playbooks"][key]["requests"] == {"GET /v1/models": fleet["sites"]}
    assert audit["ways"]["live"]["requests"] == {"GET /v1/models": audit["sites"]}
    assert audit["ways"]["inventory"]["requests"] == audit["ways"]["reading"]["requests"]
    assert min(discovery["ways"]["inventory"]["seconds"]) > discovery["timeout"]
    assert ElementTree.parse(tmp_path / "fleet.svg").getroot().tag.endswith("svg")

    guide = tmp_path / "performance_guide.rst"
    shutil.copy(GUIDE, guide)
    write_page(tmp_path, guide)
    once = guide.read_text()
    assert "One task on 4 sites" in once
    assert "   <svg " in once
    write_page(tmp_path, guide)
    assert guide.read_text() == once
