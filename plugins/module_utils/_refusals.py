# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a server refused to load, to unload or to use an adapter."""

from __future__ import annotations

from ._answers import BROKEN_HINT, Answer, common_error, refusal, words
from ._errors import VllmError
from ._version import BROKEN_RUST_HINT

_ROUTE_MISSING = (
    "start the server with VLLM_ALLOW_RUNTIME_LORA_UPDATING=True in its environment, "
    "and let any proxy in front of it pass /v1/load_lora_adapter and /v1/unload_lora_adapter"
)
_ENABLE_LORA = "start the server with --enable-lora"
_PATH = "check that the path exists on the node, as seen from inside the server's container"
_PREFIXES = "add the directory to VLLM_RUNTIME_LORA_ALLOWED_PATH_PREFIXES of the server, or put the artifact where that allows it"
_MIXED_MOE = (
    "set option is_3d_lora_weight to true for this adapter, and start the server with --enable-mixed-moe-lora-format"
)
_ARTIFACT = "check the artifact with sovereign.vllm.vllm_lora_artifact_info and the server's --max-lora-rank"
_ALREADY = "somebody else loads this adapter now: run again, and find out who"

# Parts of messages, lower case, with what they mean; the first that is found counts. A message is only asked where
# the status alone does not tell: 0.8.0 and the Rust front-end answer 400 to a missing path, 0.18 and later answer
# 500 to whatever the engine refuses.
_TOLD_BY_MESSAGE = (
    ("expected `bool`, got `null`", "invalid_request", f"this is a fault of vLLM 0.32.0; {BROKEN_RUST_HINT}"),
    ("allowed_path_prefixes", "artifact_rejected", _PREFIXES),
    ("outside the configured allowed prefixes", "artifact_rejected", _PREFIXES),
    ("is_3d_lora_weight", "artifact_rejected", _MIXED_MOE),
    ("not enabled", "lora_disabled", _ENABLE_LORA),
    ("lora enabled", "lora_disabled", _ENABLE_LORA),
    ("--enable-lora", "lora_disabled", _ENABLE_LORA),
    ("no adapter found", "artifact_not_found", _PATH),
    ("must exist", "artifact_not_found", _PATH),
    ("does not exist", "artifact_not_found", _PATH),
    ("conflicts with a served base model", "name_conflict", "give the adapter a name of its own"),
    ("already been", "not_converged", _ALREADY),
    ("already loaded", "not_converged", _ALREADY),
    ("validation error", "invalid_request", "report this with the version of the server"),
)


def load_error(answer: Answer, tried: str) -> VllmError:
    """Return the error for a load that was not answered 200."""
    said = words(answer)
    error = common_error(answer, tried) or _route_error(answer, tried)
    if error:
        return error
    if said.speaker != "vllm":
        return _not_vllms_own(answer, tried)
    if answer.status == 404:
        return refusal(answer, tried, "artifact_not_found", _PATH)
    for part, code, hint in _TOLD_BY_MESSAGE:
        if part in said.message.lower():
            return refusal(answer, tried, code, hint)
    return refusal(answer, tried, "artifact_rejected", _ARTIFACT)


def unload_error(answer: Answer, tried: str) -> VllmError:
    """Return the error for an unload that was not answered 200. Only the model list tells whether it is gone."""
    error = common_error(answer, tried) or _route_error(answer, tried)
    if error:
        return error
    if words(answer).speaker != "vllm":
        return _not_vllms_own(answer, tried)
    if answer.status == 404:
        hint = "several servers seem to share this address: give each one's own address as base_url"
        return refusal(answer, tried, "not_converged", hint)
    if answer.status >= 500:
        return refusal(answer, tried, "server_error", BROKEN_HINT)
    return refusal(answer, tried, "invalid_request", "report this with the version of the server")


def completion_error(answer: Answer, tried: str) -> VllmError:
    """Return the error for a completion that was not answered 200."""
    error = common_error(answer, tried)
    if error:
        return error
    if answer.status >= 500:
        return refusal(answer, tried, "server_error", BROKEN_HINT)
    if answer.status == 404 and words(answer).speaker == "vllm":
        return refusal(answer, tried, "not_converged", "load it, and give the server's own address as base_url")
    return refusal(answer, tried, "invalid_request", "see whether the model generates text")


def _route_error(answer: Answer, tried: str) -> VllmError | None:
    """A 404 that is not vLLM's own says that there is no such route, be it the server's router that says so or a proxy."""
    missing = answer.status == 404 and words(answer).speaker != "vllm"
    return runtime_lora_disabled(answer, tried) if missing else None


def _not_vllms_own(answer: Answer, tried: str) -> VllmError:
    """An answer without vLLM's error object comes from something in between, or from an engine that broke."""
    if answer.status >= 500:
        return refusal(answer, tried, "server_error", BROKEN_HINT, outcome_unknown=True)
    return refusal(answer, tried, "invalid_request", "check that no proxy in front of the server refuses this request")


def runtime_lora_disabled(answer: Answer, tried: str) -> VllmError:
    """Return the error for a server that has no load route."""
    return refusal(answer, tried, "runtime_lora_disabled", _ROUTE_MISSING)
