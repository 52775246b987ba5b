# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real server gets its adapters from a bundle, and its result comes back."""

from __future__ import annotations

from pathlib import Path

from tests.support.outpost import Headquarters, Outpost, carry
from tests.support.site import Site


def test_a_bundle_is_applied_and_its_result_is_reported(site: Site, tmp_path: Path) -> None:
    key = site.server.api_key
    headquarters = Headquarters(tmp_path / "hq", [key] if key else [])
    outpost = Outpost("edge", tmp_path / "edge", headquarters, headquarters.secrets)
    outpost.environment = {"KEY_OF_EDGE": key} if key else {}
    headquarters.hosts["edge"] = {
        "vllm_base_url": site.watched.url,
        "lora_store": str(site.artifacts / "store"),  # where the server sees it
        "lora_adapters": [{"name": name, "src": site.artifact(name, name)} for name in ("first", "second")],
        **({"vllm_api_key_env": "KEY_OF_EDGE"} if key else {}),
    }
    headquarters.bundle(tmp_path / "disk")
    assert not site.watched.log
    outpost.apply(outpost.bundle_on(tmp_path / "disk"))
    served = site.server.served()
    assert {name: path.startswith(str(site.artifacts / "store" / name)) for name, path in served.items()} == {
        "first": True,
        "second": True,
    }
    assert site.server.complete("first") != site.server.complete("second")
    (result,) = (tmp_path / "disk").glob("result-edge-*")
    carry(result, tmp_path / "back")
    headquarters.results = [str(tmp_path / "back")]
    _output, sites = headquarters.report()
    assert sites["edge"]["verdict"] == "in_sync" and sites["edge"]["as_of"]
    assert sites["edge"]["version"] == site.server.version()
