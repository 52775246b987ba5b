# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of both ways to swap have in common."""

from __future__ import annotations

from tests.support.site import Site

LOAD, UNLOAD = "/v1/load_lora_adapter", "/v1/unload_lora_adapter"


def serving_old(site: Site) -> Site:
    """The site with `sql` served from its artifact `old`, and an artifact `new` to move it to."""
    site.server.load("sql", site.artifact("old"))
    site.artifact("new", "second")
    return site


def posts(site: Site) -> list[str]:
    """The writes of the last run, as route and name."""
    writes = site.watched.writes
    return [f"{request.path.split('/')[2].split('_')[0]} {request.body['lora_name']}" for request in writes]
