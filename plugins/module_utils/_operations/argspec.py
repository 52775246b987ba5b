# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options, once for modules, actions and inventory."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ansible.module_utils.basic import env_fallback

from .._adapters.declaration import ADAPTER_OPTIONS
from .._vllm.endpoint import Endpoint


def connection_spec() -> dict:
    """Return the options of every module that talks to a server."""
    return {
        "base_url": {"type": "str", "required": True, "fallback": (env_fallback, ["VLLM_BASE_URL"])},
        "api_key": {"type": "str", "no_log": True, "fallback": (env_fallback, ["VLLM_API_KEY"])},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path", "no_log": False},
        "timeout": {"type": "float", "default": 30.0},
        "retries": {"type": "int", "default": 2},
        "retry_delay": {"type": "float", "default": 1.0},
        "use_proxy": {"type": "bool", "default": True},
        "unreachable_as": {"type": "str", "choices": ["unreachable", "failed"], "default": "unreachable"},
    }


def write_spec() -> dict:
    """Return the options that modules which load adapters have besides."""
    return {
        "load_timeout": {"type": "float", "default": 300.0},
        "reload_strategy": {"type": "str", "choices": ["replace", "in_place"], "default": "replace"},
    }


def adapter_spec() -> dict:
    """Return the options that declare one adapter."""
    return {name: dict(spec) for name, spec in ADAPTER_OPTIONS.items()}


def endpoint_of(options: Mapping) -> Endpoint:
    """Return the server that the connection options describe.

    :raises VllmError: ``invalid_request`` when an option cannot be used.
    """
    names = {field.name for field in dataclasses.fields(Endpoint)}
    return Endpoint(**{name: value for name, value in options.items() if name in names})
