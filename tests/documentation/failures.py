# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each code of an error, provoked: what the server is like, what goes wrong, and what the task asks for."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.stand_in import Fault
from tests.support.sealed import allow, new_key, write_bundle
from tests.support.signing import key_text
from tests.support.site import Site

SQL = {"name": "sql", "path": "{{ artifacts }}/sql"}
STAGED = {"name": "sql", "src": "{{ artifacts }}/sql", "remote_src": True, "store": "{{ artifacts }}/store"}
_LIST, _LOAD = ("GET", "/v1/models"), ("POST", "/v1/load_lora_adapter")
_SQL = {"models": ["sql"]}
_TRUST = {"trust": [{"keys": [key_text("p256.pub")]}]}
_FINGERPRINT = {
    "base_model": "tiny",
    "root": "tiny",
    "version": "0.32.0",
    "route": "/v1/completions",
    "prompts": ["SELECT"],
}
_FINGERPRINT |= {key: [{" *": -0.21, " count": -2.5}] for key in ("logprobs", "cached_logprobs")}


def _overwrite_and_load_again(site: Site) -> None:
    site.server.load("sql", site.artifact("sql"))
    site.server.complete("sql", prompt="The river flows through the valley.")
    site.server.unload("sql")
    site.server.load("sql", site.artifact("sql", "second"))


def _carry(site: Site, node: str = "edge1", **declared: object) -> None:
    """Bring a bundle to the site, for one server with this adapter."""
    directory = site.artifacts / "site"
    directory.mkdir(parents=True)
    variables = {"vllm_base_url": site.watched.url, "vllm_retries": 0, "ansible_connection": "local"}
    variables |= {"lora_store": str(site.artifacts / "store"), "lora_adapters": [declared] if declared else []}
    variables["ansible_python_interpreter"] = "{{ ansible_playbook_python }}"
    key = new_key(site.artifacts / "key")
    allow(directory / "allowed_signers", "headquarters", key)
    write_bundle(site.artifacts / "disk", key, variables, node=node)


def _carry_and_change(site: Site) -> None:
    _carry(site)
    (site.artifacts / "disk" / "bundle-edge1-7" / "note.txt").touch()


def _carry_again(site: Site) -> None:
    _carry(site)
    ledger = {"format": 1, "node": "edge1", "applied": 7, "started": None}
    (site.artifacts / "site" / "ledger.json").write_text(json.dumps(ledger))


def _carry_while_busy(site: Site) -> None:
    _carry(site)
    lock = os.open(site.artifacts / "site" / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)  # to the end of this process


@dataclass(frozen=True)
class Failure:
    """settings: of the StandIn; fault: of its answers; options: of vllm_lora_adapters, which declares SQL by default, or
    if `stages` of vllm_lora_artifact, if `asks` of vllm_smoke_test, if `guards` of vllm_guard, if `applies` of
    vllm_apply_bundle; prepare: changes the site before; without_requests: for the Python of the host."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    fault: Fault | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    stages: bool = False
    asks: bool = False
    guards: bool = False
    applies: bool = False
    prepare: Callable[[Site], object] | None = None
    without_requests: bool = False


APPLIED = {
    "bundle": "{{ artifacts }}/disk/bundle-edge1-7",
    "directory": "{{ artifacts }}/site",
    "node": "edge1",
    "result_key": "{{ artifacts }}/key",
}
_OTHER = {**APPLIED, "bundle": "{{ artifacts }}/disk/bundle-edge2-7"}
FAILURES = {
    "unreachable": Failure(fault=Fault(*_LIST, "die"), options={"retries": 1}),
    "timeout": Failure(fault=Fault(*_LIST, "silence"), options={"timeout": 1}),
    "tls": Failure(options={"base_url": "{{ url | replace('http:', 'https:') }}"}),
    "dns": Failure(options={"base_url": "http://edge1.invalid:8000"}),
    "not_vllm": Failure(fault=Fault(*_LIST, "html")),
    "unauthorized": Failure(settings={"api_key": "sk-right"}, options={"api_key": "sk-wrong"}),
    "forbidden": Failure(fault=Fault(*_LIST, "answer", status=403, text="Access denied")),
    "throttled": Failure(fault=Fault(*_LIST, "answer", status=429, headers={"retry-after": "30"})),
    "server_error": Failure(fault=Fault(*_LIST, "answer", status=500, text="Internal Server Error")),
    "requests_missing": Failure(without_requests=True),
    "cryptography_missing": Failure(without_requests=True, stages=True, options={**STAGED, **_TRUST}),
    "runtime_lora_disabled": Failure(settings={"runtime_lora": False}),
    "lora_disabled": Failure(settings={"enable_lora": False}),
    "artifact_not_found": Failure(options={"adapters": [{**SQL, "path": "{{ artifacts }}/sq1"}]}),
    "download_failed": Failure(
        stages=True, options={**STAGED, "src": "https://registry.invalid/sql.tar.gz", "digest": "sha256:" + "0" * 64}
    ),
    "artifact_rejected": Failure(options={"adapters": [{**SQL, "path": "{{ artifacts }}/rank64"}]}),
    "artifact_invalid": Failure(stages=True, options={**STAGED, "src": "{{ artifacts }}/rank64", "max_rank": 16}),
    "untrusted": Failure(stages=True, options={**STAGED, **_TRUST}),
    "revoked": Failure(
        options={"adapters": [{**SQL, "path": f"/srv/sql/{'0' * 12}"}], "revoked": ["sha256:" + "0" * 64]}
    ),
    "store_error": Failure(stages=True, options={**STAGED, "store": "{{ artifacts }}/file"}),
    "guard_failed": Failure(
        guards=True,
        options={
            "directory": "{{ artifacts }}",
            "user_keys": ["user-key"],
            "plain_http": True,
            "wait": 0,
            "test_command": ["sh", "-c", "echo cannot load certificate; exit 1"],
        },
    ),
    "base_model_mismatch": Failure(options={"adapters": [{**SQL, "base_model": "llama"}]}),
    "name_conflict": Failure(options={"adapters": [{**SQL, "name": "tiny"}]}),
    "prune_limit": Failure(
        settings={"static": {"one": "first", "two": "second"}},
        options={"adapters": [], "prune": True, "prune_limit": 1},
    ),
    "server_differs": Failure(options={"requires": {"version": ">=0.33"}}),
    "plan_changed": Failure(options={"expect_plan": "sha256:" + "0" * 64}),
    "invalid_request": Failure(options={"adapters": [{**SQL, "path": "adapters/sql"}]}),
    "no_completions": Failure(
        fault=Fault("POST", "/v1/c", "answer", status=404, json={"detail": "Not Found"}), asks=True, options=_SQL
    ),
    "adapter_without_effect": Failure(
        settings={"static": {"sql": "zero"}}, asks=True, options={**_SQL, "differs_from_base": True}
    ),
    "other_weights": Failure(
        settings={"static": {"sql": "first"}}, asks=True, options={**_SQL, "expect": {"sql": _FINGERPRINT}}
    ),
    "stale_prefix_cache": Failure(prepare=_overwrite_and_load_again, asks=True, options={**_SQL, "fingerprint": True}),
    "not_converged": Failure(fault=Fault(*_LOAD, "ignored")),
    "bundle_damaged": Failure(applies=True, options=APPLIED, prepare=_carry_and_change),
    "bundle_of_other_node": Failure(applies=True, options=_OTHER, prepare=lambda site: _carry(site, "edge2")),
    "bundle_superseded": Failure(applies=True, options=APPLIED, prepare=_carry_again),
    "bundle_taken_back": Failure(
        applies=True, options=APPLIED, prepare=lambda site: _carry(site, name="sql", path=f"{site.artifacts}/sq1")
    ),
    "site_busy": Failure(applies=True, options=APPLIED, prepare=_carry_while_busy),
}
