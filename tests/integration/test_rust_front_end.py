# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""vLLM's Rust front-end: its list outlives the engine, it has words of its own, and one release cannot load."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stand_in import Fault
from tests.support.site import Site, run_on_all

from .conftest import NewSite

CONVERGE = """
- name: converge
  sovereign.vllm.vllm_lora_adapters:
    adapters: [{name: sql, path: "{{ artifacts }}/sql"}]
    retries: 0
"""
RUST = ["rust", "rust-0.33"]


def serving(site: Site) -> Site:
    site.server.load("sql", site.artifact("sql"))
    site.watched.clear_log()
    return site


def asked(site: Site) -> list[str]:
    return [f"{request.method} {request.path}" for request in site.watched.log]


@pytest.mark.parametrize("options", [[], ["--check"]], ids=["for real", "check mode"])
def test_dead_engine_is_no_server_in_sync(new_site: NewSite, tmp_path: Path, options: list[str]) -> None:
    """The list is whole and answers 200; /health alone tells. Its being hidden or unusual says nothing."""
    sites = {name: serving(new_site(profile=name, death_delay=600)) for name in [*RUST, "0.32"]}
    sites |= {f"dead-{name}": serving(new_site(profile=name, death_delay=600)) for name in RUST}
    hidden = Fault("GET", "/health", "answer", status=404)
    for name, fault in {"silent": Fault("GET", "/health", "reset"), "hidden": hidden}.items():
        sites[name] = serving(new_site(profile="rust-0.33"))
        sites[name].watched.faults.add(fault)
    for name in RUST:
        sites[f"dead-{name}"].watched.apps[0].engine.dead = True
    done = run_on_all(sites, CONVERGE, tmp_path / "run", rc=None, options=options).of("converge")
    assert {name: (result.status, result.code) for name, result in done.items()} == {
        **dict.fromkeys([*RUST, "0.32", "hidden"], ("ok", None)),
        **dict.fromkeys((f"dead-{name}" for name in RUST), ("failed", "server_error")),
        "silent": ("unreachable", "unreachable"),
    }
    assert "/health says that its engine is dead" in done["dead-rust"].msg
    both = ["GET /v1/models", "GET /health"]
    assert {name: asked(site) for name, site in sites.items()} == {**dict.fromkeys(sites, both), "0.32": both[:1]}


def test_what_cannot_be_loaded_is_refused_in_its_words(new_site: NewSite, tmp_path: Path) -> None:
    """Somebody else loads the name a moment before; a path lies outside of what the operator allows."""
    sites = {f"raced-{name}": new_site(profile=name) for name in RUST}
    sites |= {f"outside-{name}": new_site(profile=name, allowed_prefixes=["/nowhere"]) for name in RUST}
    sites |= {f"off-{name}": new_site(profile=name, enable_lora=False) for name in RUST}
    for name, site in sites.items():
        site.artifact("sql")
        if name.startswith("raced"):
            site.watched.on_request = _race(site, site.artifact("other", "second"))
    done = run_on_all(sites, CONVERGE, tmp_path / "run", rc=2).of("converge")
    codes = {"raced": "not_converged", "outside": "artifact_rejected", "off": "lora_disabled"}
    assert {name: result.code for name, result in done.items()} == {name: codes[name.split("-")[0]] for name in sites}
    for name in RUST:
        assert "is already loaded" in done[f"raced-{name}"].msg
        assert done[f"outside-{name}"]["error"]["hint"].startswith("add the directory to VLLM_RUNTIME_LORA_ALLOWED")


def _race(site: Site, path: str):
    def load_first(request) -> None:
        if request.method == "POST":
            site.watched.on_request = None
            site.watched.load("sql", path)

    return load_first


@pytest.mark.parametrize("options", [[], ["--check"]], ids=["for real", "check mode"])
def test_the_release_that_cannot_load_is_at_fault(new_site: NewSite, tmp_path: Path, options: list[str]) -> None:
    sites = {"told": new_site(profile="rust-0.32", version="0.32.0+cpu"), "hidden": new_site(profile="rust-0.32")}
    sites["hidden"].watched.faults.add(Fault("GET", "/version", "answer", status=404))
    for site in sites.values():
        site.artifact("sql")
    done = run_on_all(sites, CONVERGE, tmp_path / "run", rc=2 if not options else None, options=options).of("converge")
    told = done["told"]
    assert (told.status, told.code) == ("failed", "invalid_request")
    assert "vLLM '0.32.0+cpu', whose Rust front-end cannot load any; the artifact is not at fault" in told.msg
    assert sites["told"].watched.writes == []
    if not options:
        # A proxy hides the version, so only the answer tells.
        assert done["hidden"].code == "invalid_request"
        assert "this is a fault of vLLM 0.32.0; the artifact is not at fault" in done["hidden"].msg


PROXIED = {
    "page": Fault("*", "/v1/load", "html", status=404),
    "json": Fault("*", "/v1/load", "answer", status=404, json={"message": "no Route matched with those values"}),
    "empty": Fault("*", "/v1/load", "answer", status=404),
}


def test_route_that_a_proxy_keeps_back_is_the_same_in_check_mode(new_site: NewSite, tmp_path: Path) -> None:
    sites = {name: new_site() for name in PROXIED}
    for name, site in sites.items():
        site.artifact("sql")
        site.watched.faults.add(PROXIED[name])
    audit = CONVERGE.replace("- name: converge", "- name: audit\n  check_mode: true\n  ignore_errors: true")
    run = run_on_all(sites, audit + CONVERGE, tmp_path / "run", rc=2)
    for task in ("audit", "converge"):
        assert {name: result.code for name, result in run.of(task).items()} == dict.fromkeys(
            PROXIED, "runtime_lora_disabled"
        )
    assert "with the title 'Welcome'" in run.of("converge")["page"].msg
