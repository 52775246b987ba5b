# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which answer a refusal gets: status, type and words, release by release."""

from __future__ import annotations

from .answers import Answer, error
from .artifacts import AdapterNotFound, AdapterRejected
from .profiles import Profile
from .registry import Refused


def by_front_end(profile: Profile, refused: Refused) -> Answer:
    """For what the HTTP server refuses without asking the engine. The Rust one says which parameter is wrong."""
    rust = profile.errors == "rust"
    if refused.kind == "engine":
        return error(profile, 500, "InternalServerError", refused.message)
    if refused.kind == "unknown model":
        return error(profile, 404, "NotFoundError", refused.message, "model" if profile.names_parameters else None)
    if refused.kind == "unknown adapter":
        if rust:
            return error(profile, 404, "NotFoundError", f"The model `{refused.param}` does not exist.", "model")
        status = profile.unload_unknown_status
        return error(profile, status, "InvalidUserInput" if status == 400 else "NotFoundError", refused.message)
    return error(profile, 400, "InvalidUserInput", refused.message, refused.param if rust else None)


def by_engine(profile: Profile, name: str, path: str, refused: AdapterNotFound | AdapterRejected) -> Answer:
    """For an adapter that the engine does not load."""
    missing = isinstance(refused, AdapterNotFound)
    message = f"Loading lora {name} failed: No adapter found for {path}" if missing else str(refused)
    if profile.errors == "rust":
        return _rust(profile, name, message)
    if missing:
        status = profile.not_found_status if profile.engine == "v1" else 404
        prefix = profile.not_found_prefix if profile.engine == "v1" else ""
    elif profile.engine == "v1":
        status, prefix = profile.rejected_status, "Call to add_lora method failed: "
    else:
        status, prefix = profile.in_process_rejected_status, ""
    kinds = {400: "BadRequestError", 404: "NotFoundError", 500: "InternalServerError"}
    return error(profile, status, kinds[status], prefix + message)


def _rust(profile: Profile, name: str, message: str) -> Answer:
    if message.startswith("LoRA is not enabled"):
        return error(profile, 400, "BadRequestError", "engine was not started with LoRA enabled")
    text = f"failed to load LoRA adapter `{name}`: utility call `add_lora` failed: Call to add_lora method failed: {message}"
    return error(profile, 500, "InternalServerError", text)
