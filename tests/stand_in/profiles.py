# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How each vLLM release answers: one frozen Profile per release, built from a list of what changed when.

Source: the answers recorded from 51 releases (tests/stand_in/recorded_answers.json) and the sources of the releases.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Profile:
    """The behaviours of one vLLM release. The defaults are those of 0.6.6."""

    version: str = "0.6.6.post1"
    # How the engine is reached: "v0" (default up to 0.7), "v1" (a process of its own), "v1-in-process".
    engine: str = "v0"

    # Bodies of errors: "flat", "nested" in {"error": …}, or "rust" (nested with a string as code up to 0.32).
    errors: str = "flat"
    codes_are_numbers: bool = True
    names_parameters: bool = False  # `param` is set where the error is about one field
    # Pydantic's complaints: "endpoint", "endpoint+list", "plain", "summary" (see answers.invalid).
    validation: str = "endpoint"
    # File system paths in messages become "<path>".
    redacts_paths: bool = False
    # A POST without "Content-Type: application/json": None (parsed as no object, 400), 415 or 400.
    media_type_status: int | None = None

    # 0.6 neither asks the engine at load nor lists what was loaded at run time.
    load_reaches_engine: bool = False
    lists_runtime_adapters: bool = False
    already_loaded: str = "The lora adapter '{name}' has already beenloaded."
    load_inplace: bool = False
    inplace_sticks: bool = True  # the flag stays with the adapter, so that each step reads the files again
    # Weights that did not go into the layers in place are activated again by the next step, which kills the engine.
    activates_again: bool = False
    refuses_base_name: bool = False
    not_found_status: int = 404  # with engine v1; engine v0 always says 404
    not_found_prefix: str = "Call to add_lora method failed: "
    rejected_status: int = 400
    in_process_rejected_status: int = 400
    locks_names: bool = False  # two loads of one name at once: the second waits and is refused

    unload_unknown_status: int = 400
    unload_empty: str = "either 'lora_name' and 'lora_int_id' needs to be provided."
    unload_reaches_engine: bool = False  # so it fails for an adapter that the engine has evicted

    # What the prefix cache takes for "the same adapter": "id" (of one load), "name", or "name and path".
    prefix_cache_key: str = "id"
    guarded: tuple[str, ...] = ("/v1",)
    bearer_any_case: bool = False
    dead_health: int = 500
    # What a completion says of a dead engine; None for the engine's own words.
    dead_completion: str | None = None
    has_ping: bool = False
    has_adapters_route: bool = False  # POST /adapters and DELETE /adapters/{name}, outside the key

    # The Rust front-end alone:
    owned_by: str = "vllm"
    success_type: str | None = None  # Content-Type of "Success: …"
    router_bodies: bool = True  # {"detail": "Not Found"}
    canonical_roots: bool = False  # checks paths against allowed prefixes, and lists them resolved
    cannot_load: str = ""  # what the engine says of every load, since the two do not agree on what a load is
    death_delay: float = 0.2  # seconds from the death of the engine to the end of the server


# Release, and what is different from it on.
CHANGES: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "0.7.0",
        {
            "load_reaches_engine": True,
            "lists_runtime_adapters": True,
            "not_found_status": 400,
            "unload_unknown_status": 404,
            "has_ping": True,
        },
    ),
    ("0.7.3", {"already_loaded": "The lora adapter '{name}' has already been loaded.", "media_type_status": 415}),
    ("0.8.0", {"engine": "v1"}),
    ("0.8.4", {"not_found_status": 404}),
    ("0.9.0", {"validation": "endpoint+list", "media_type_status": 400}),
    (
        "0.10.0",
        {"unload_empty": "'lora_name' needs to be provided to unload a LoRA adapter.", "locks_names": True},
    ),
    ("0.10.1", {"errors": "nested"}),
    ("0.11.0", {"bearer_any_case": True, "dead_health": 503}),
    ("0.11.1", {"has_adapters_route": True, "prefix_cache_key": "name"}),
    (
        "0.15.0",
        {
            "load_inplace": True,
            "already_loaded": "The lora adapter '{name}' has already been loaded. If you want to load the adapter in "
            "place, set 'load_inplace' to True.",
        },
    ),
    ("0.18.0", {"rejected_status": 500, "not_found_prefix": ""}),
    ("0.22.0", {"guarded": ("/v1", "/v2", "/inference")}),
    ("0.23.0", {"in_process_rejected_status": 500}),
    ("0.26.0", {"validation": "plain", "names_parameters": True, "redacts_paths": True}),
    ("0.27.0", {"guarded": ("/v1", "/v2", "/inference", "/cohere")}),
    ("0.30.0", {"validation": "summary"}),
    ("0.31.0", {"refuses_base_name": True, "prefix_cache_key": "name and path"}),
    (
        "0.33.0",
        {
            "inplace_sticks": False,
            "activates_again": True,
            "dead_completion": "The server had an error while processing your request.",
        },
    ),
)

# The Rust front-end is opt-in (VLLM_USE_RUST_FRONTEND=1); seen with 0.30.0, 0.32.0 and 0.33.0.
RUST: dict[str, Any] = {
    "errors": "rust",
    "codes_are_numbers": False,
    "already_loaded": "LoRA adapter `{name}` is already loaded. If you want to load the adapter in place, "
    "set 'load_inplace' to true.",
    "refuses_base_name": True,
    "redacts_paths": False,
    "unload_reaches_engine": True,
    "has_ping": False,
    "has_adapters_route": False,
    "owned_by": "vllm-frontend-rs",
    "success_type": "text/plain; charset=utf-8",
    "router_bodies": False,
    "canonical_roots": True,
    "death_delay": 2.0,  # between 2 seconds and 2 minutes
}
RUST_CHANGES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("0.32.0", {"cannot_load": "Expected `bool`, got `null` - at `$[4]`"}),
    ("0.33.0", {"cannot_load": "", "codes_are_numbers": True}),
)


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(\.\d+)*", version)
    if match is None:
        raise ValueError(f"not a vLLM version: {version!r}")
    return tuple(int(number) for number in match.group().split("."))


def profile_for(version: str) -> Profile:
    """The profile of a release, such as "0.9.2" or "0.10.1.1"; suffixes (".post1", "+cpu") do not matter.

    Raises ValueError for what is no version number.
    """
    return _changed(Profile(version=version), CHANGES)


def rust_profile_for(version: str) -> Profile:
    """The profile of a release with its Rust front-end, which is there from 0.22 on; otherwise as profile_for."""
    return _changed(replace(profile_for(version), **RUST), RUST_CHANGES)


def _changed(profile: Profile, all_changes: tuple[tuple[str, dict[str, Any]], ...]) -> Profile:
    for since, changes in all_changes:
        if _numbers(since) <= _numbers(profile.version):
            profile = replace(profile, **changes)
    return profile


# One name for each behaviour generation. "0.6.6" is there to be refused: the collection supports 0.7.0 and later.
PROFILES: dict[str, Profile] = {
    "0.6.6": profile_for("0.6.6.post1"),
    "0.7": profile_for("0.7.0"),
    "0.7.3": profile_for("0.7.3"),
    "0.8.0": profile_for("0.8.0"),
    "0.8.5": profile_for("0.8.5"),
    "0.9": profile_for("0.9.2"),
    "0.10.0": profile_for("0.10.0"),
    "0.10.1": profile_for("0.10.1"),
    "0.11.1": profile_for("0.11.1"),
    "0.14": profile_for("0.14.1"),
    "0.15": profile_for("0.15.1"),
    "0.17": profile_for("0.17.1"),
    "0.18": profile_for("0.18.1"),
    "0.22": profile_for("0.22.1"),
    "0.26": profile_for("0.26.0"),
    "0.30": profile_for("0.30.0"),
    "0.32": profile_for("0.32.0"),
    "0.33": profile_for("0.33.0"),
    "rust": rust_profile_for("0.30.0"),
    "rust-0.32": rust_profile_for("0.32.0"),
    "rust-0.33": rust_profile_for("0.33.0"),
}
