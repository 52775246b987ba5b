# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook of examples/local on a real server."""

from __future__ import annotations

import re
from pathlib import Path

from tests.examples.local import converge
from tests.support.site import Site


def test_an_adapter_is_served_and_answers_by_its_name(site: Site, tmp_path: Path) -> None:
    path = site.artifact("first")
    run = converge(
        tmp_path,
        key=site.server.api_key,
        vllm_base_url=site.watched.url,
        adapters_path=str(site.artifacts),
        base_model=site.base_model,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert site.server.served() == {"first": path}
    assert re.search(r'"msg": "first says: .+"', run.stdout), run.stdout
